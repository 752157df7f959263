// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"zones/internal/brand"
	"zones/internal/control"
	"zones/internal/schema"
	"zones/internal/store"
	"zones/internal/zfs"
	"zones/internal/zone"
)

// CloneOptions say how a zone is cloned.
type CloneOptions struct {
	Method   string // "copy", or empty for the best there is
	Snapshot string // DATASET@NAME to clone; empty for a new one
	Denied   bool   // the caller has no authorization to read the source
}

// ErrMethod is a method of cloning that does not exist.
var ErrMethod = errors.New("no such method of cloning")

// Clone installs a configured zone as a clone of an installed one.
func (m *Manager) Clone(ctx context.Context, name, source zone.Name, how CloneOptions) error {
	if err := m.Verify(ctx, name, zone.Clone); err != nil {
		return err
	}
	if _, err := m.cloneSource(name, source, how.Denied); err != nil {
		return err
	}
	z, unlock, err := m.begin(ctx, name, zone.Clone)
	if err != nil {
		return err
	}
	defer unlock()
	// It may have been booted while the lock was waited for.
	from, err := m.cloneSource(name, source, how.Denied)
	if err != nil {
		return err
	}
	if root := filepath.Join(z.path(), rootName); !emptyFolder(root) {
		return aboutf("%s is not empty, and a clone would mix with what is there.", root)
	}
	// It is not there when its file system is not mounted.
	root := filepath.Join(from.path(), rootName)
	_, hooked := m.BrandOptions(name, zone.Clone)
	if _, err := os.Lstat(root); err != nil && how.Snapshot == "" && !hooked {
		return subject(root, bareErr(err))
	}
	m.warnShared(z, from)
	c := &cloning{m: m, z: z, from: from, how: how}
	return walk(ctx, zone.Clone, c.steps())
}

// cloneSource makes the checks on the zone that is cloned, in the order that
// decides which refusal is seen.
func (m *Manager) cloneSource(name, source zone.Name, denied bool) (*subjectZone, error) {
	switch {
	case source == zone.Global:
		return nil, aboutf("%v operation is invalid for the global zone.", zone.Clone)
	case source.SunReserved():
		return nil, aboutf("%v operation is invalid for zones starting with SUNW.", zone.Clone)
	case denied:
		return nil, About("clone operation is invalid because user is not authorized to read source zone.")
	}
	state, err := zone.Configured, error(store.ErrNoZone)
	if m.Exists(source) {
		state, err = m.State(source)
	}
	if err != nil {
		return nil, subject(string(source)+": could not get state", reason(err))
	}
	if state.Active() {
		return nil, aboutf("%v operation is invalid for %v zones.", zone.Clone, state)
	}
	if state != zone.Installed {
		return nil, &Failure{Form: Plain, Text: fmt.Sprintf("zone %s is %v; %v is required.", source, state, zone.Installed)}
	}
	from, err := m.load(source)
	if err != nil {
		return nil, err
	}
	if err := m.answering(from.path()); err != nil {
		return nil, err
	}
	cfg, _, err := m.Store.Load(name)
	if err != nil {
		return nil, subject(string(name), reason(err))
	}
	if cfg.Text(schema.Brand.Property) != from.cfg.Text(schema.Brand.Property) {
		return nil, &Failure{Form: Plain, Text: fmt.Sprintf("Zones '%s' and '%s' have different brand types.", source, name)}
	}
	return from, nil
}

// cloning is one clone under way.
type cloning struct {
	m        *Manager
	z, from  *subjectZone
	how      CloneOptions
	made     []string // the zonepath and what is above it, as far as it was made
	snapshot string   // made for this clone
	done     bool     // nothing is left to copy
	hooked   bool     // the brand cloned by a command of its own
}

func (c *cloning) steps() []step {
	return []step{
		{"incomplete", func(ctx context.Context) error { return c.m.begun(ctx, c.z) }},
		{"place", c.place},
		{"hook", c.hook},
		{"method", c.method},
		{"ids", func(ctx context.Context) error { return c.m.giveIDs(ctx, c.z) }},
		{"snapshot", c.takeSnapshot},
		{"clone", c.clone},
		{"dataset", c.dataset},
		{"copy", c.copy},
		{"settle", c.settle},
		{"post", c.post},
		{"sync", func(context.Context) error { return durable(c.z.path()) }},
		{"installed", func(context.Context) error { return c.m.setState(c.z.name, zone.Installed) }},
	}
}

func (c *cloning) place(context.Context) error {
	c.made = missing(c.z.path())
	return c.m.makePlace(c.z)
}

// hook has the brand clone by a command of its own, if it has one; nothing is
// left to do then.
func (c *cloning) hook(ctx context.Context) error {
	var args []string
	if c.how.Method != "" {
		args = append(args, "-m", c.how.Method)
	}
	if c.how.Snapshot != "" {
		args = append(args, "-s", c.how.Snapshot)
	}
	args = append(append(args, c.m.Words...), string(c.from.name))
	ran, err := c.m.hook(ctx, c.z, brand.Clone, args...)
	c.hooked, c.done = ran, ran
	return err
}

func (c *cloning) post(ctx context.Context) error {
	if _, err := c.m.hook(ctx, c.z, brand.PostClone); err != nil {
		return About("post-clone configuration failed.")
	}
	return nil
}

func (c *cloning) method(context.Context) error {
	if c.hooked {
		return nil
	}
	if c.how.Method != "" && c.how.Method != "copy" {
		return ErrMethod
	}
	return nil
}

// forProp marks a snapshot with the zone whose clone it was made for, so that
// one whose clone never came to be can be found.
const forProp = "zones:for"

// takeSnapshot settles what is cloned: the snapshot given, or a new one when the
// source is a file system of its own. Without any the zone is copied.
func (c *cloning) takeSnapshot(ctx context.Context) error {
	if c.hooked {
		return nil
	}
	if c.how.Snapshot != "" {
		return c.givenSnapshot(ctx)
	}
	if c.how.Method == "copy" || zfs.Available() != nil {
		return nil
	}
	dataset, err := zfs.MountedAt(c.from.path())
	if err != nil || dataset == "" {
		return err
	}
	// A root that is a file system of its own would be missing in the clone.
	if root, err := zfs.MountedAt(filepath.Join(c.from.path(), rootName)); err != nil || root != "" {
		return err
	}
	if _, err := c.m.hook(ctx, c.from, brand.PreSnapshot); err != nil {
		return ctx.Err() // it is copied instead
	}
	name, err := c.newSnapshot(ctx, dataset)
	if _, after := c.m.hook(ctx, c.from, brand.PostSnapshot); err == nil && after != nil {
		_ = zfs.Destroy(ctx, name)
	} else if err == nil {
		c.snapshot = name
	}
	return ctx.Err()
}

// newSnapshot takes a snapshot by the next number. Another zone that is cloned
// from the same source at the same time may have taken that meanwhile.
func (c *cloning) newSnapshot(ctx context.Context, dataset string) (name string, err error) {
	const attempts = 100
	for range attempts {
		existing, err := zfs.Snapshots(ctx, dataset)
		if err != nil {
			return "", err
		}
		name = dataset + "@" + snapshotPrefix + strconv.Itoa(1+highest(existing))
		if err = zfs.Snapshot(ctx, name, forProp+"="+string(c.z.name)); !errors.Is(err, zfs.ErrExists) {
			return name, err
		}
	}
	return "", zfs.ErrExists
}

func (c *cloning) givenSnapshot(ctx context.Context) error {
	dataset, _, ok := strings.Cut(c.how.Snapshot, "@")
	if own, err := zfs.MountedAt(c.from.path()); c.m.Distrust && (err != nil || own != dataset) {
		return aboutf("only root may clone %s, which is not of zone %s.", c.how.Snapshot, c.from.name)
	}
	if !ok || !zfs.Exists(ctx, dataset) {
		return bare("unable to find path for %s.", c.how.Snapshot)
	}
	valid := zfs.Exists(ctx, c.how.Snapshot)
	if from, err := snapshotPath(ctx, c.how.Snapshot); valid && err == nil {
		_, err = c.m.hook(ctx, c.from, brand.ValidateSnap, c.how.Snapshot, from)
		valid = err == nil
		if _, err := os.Stat(from); valid && err == nil && emptyFolder(filepath.Join(from, rootName)) {
			c.m.Talk.Bare(fmt.Sprintf("%s has no files in %s: a root that is a file system of its own is not part of a snapshot "+
				"of the zonepath. Clone without -s to copy the zone.", c.how.Snapshot, rootName))
			valid = false
		}
	}
	if !valid {
		removeEmpty(c.made)
		if err := c.m.setState(c.z.name, zone.Configured); err != nil {
			return err
		}
		return errSaid
	}
	return nil
}

// snapshotPath is where the files of a snapshot can be read.
func snapshotPath(ctx context.Context, snapshot string) (string, error) {
	dataset, snap, _ := strings.Cut(snapshot, "@")
	point, err := zfs.Value(ctx, dataset, "mountpoint")
	if err != nil || !strings.HasPrefix(point, "/") {
		return "", bare("unable to find path for %s.", snapshot)
	}
	return filepath.Join(point, ".zfs", "snapshot", snap), nil
}

// clone makes a ZFS clone. Where that is impossible the zone is copied.
func (c *cloning) clone(ctx context.Context) error {
	if c.hooked {
		return nil
	}
	snapshot := c.snapshot
	if c.how.Snapshot != "" {
		snapshot = c.how.Snapshot
	}
	if snapshot == "" {
		return nil
	}
	err := c.cloneSnapshot(ctx, snapshot)
	if err == nil {
		c.done = true
		return nil
	}
	if c.snapshot != "" {
		_ = zfs.Destroy(ctx, c.snapshot)
		c.snapshot = ""
	}
	return ctx.Err()
}

func (c *cloning) cloneSnapshot(ctx context.Context, snapshot string) error {
	path := c.z.path()
	h, ok := homeOf(ctx, path)
	if !ok {
		return errNoHome
	}
	if _, on, err := mountedOn(path); err != nil || on {
		c.m.Talk.Bare(fmt.Sprintf("A file system is already mounted on %s,\npreventing use of a ZFS clone.", path))
		return errNoHome
	}
	if !emptyFolder(path) {
		return errNoHome // it would be hidden
	}
	if err := c.m.placing(ctx, func() error {
		if err := h.makeAbove(ctx); err != nil {
			return err
		}
		c.m.Talk.Print("Cloning snapshot " + snapshot)
		return zfs.Clone(ctx, snapshot, h.dataset, h.properties()...)
	}); err != nil {
		return err
	}
	at, err := zfs.MountedAt(path)
	if err == nil && at != h.dataset {
		err = errNoHome
	}
	if err != nil {
		_ = zfs.Destroy(ctx, h.dataset)
		return err
	}
	if c.how.Snapshot == "" {
		c.m.Talk.Print("Instead of copying, a ZFS clone has been created for this zone.")
	}
	return nil
}

var errNoHome = errors.New("the zonepath cannot be a ZFS file system of its own")

func (c *cloning) dataset(ctx context.Context) error {
	if !c.done {
		c.m.makeHome(ctx, c.z.path())
	}
	return nil
}

// copy copies the source's zonepath, or the snapshot given.
func (c *cloning) copy(ctx context.Context) error {
	if c.done {
		return nil
	}
	from := c.from.path()
	if c.how.Snapshot != "" {
		var err error
		if from, err = snapshotPath(ctx, c.how.Snapshot); err != nil {
			return err
		}
	} else if err := c.m.refuseMounts(from); err != nil {
		return err
	}
	fill := func() error {
		c.m.Talk.Print(fmt.Sprintf("Copying %s...", from))
		return c.m.copyTree(ctx, c.from, from, c.z.path())
	}
	err := error(nil)
	if c.how.Snapshot == "" {
		err = c.m.whileInstalled(c.from, fill)
	} else {
		err = fill()
	}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.m.Talk.About("'copy' failed with exit code 1.")
		c.m.Talk.Bare(fmt.Sprintf("The copy failed.\n%v", err))
		return errSaid
	}
	return nil
}

// whileInstalled reads what is of an installed zone, and fails when it has not
// been that all along: what was read of it meanwhile may lack anything.
func (m *Manager) whileInstalled(z *subjectZone, read func() error) error {
	active := func() bool { return false }
	// The host may have no more watches to give; what remains is to look twice.
	if watch, err := control.NewWatch(z.name); err == nil {
		defer watch.Close()
		active = watch.Active
	}
	if err := m.stayed(z); err != nil {
		return err
	}
	if err := read(); err != nil {
		return err
	}
	if active() {
		return changed(z.name)
	}
	return m.stayed(z)
}

func (m *Manager) stayed(z *subjectZone) error {
	now, err := m.load(z.name)
	if err == nil && (now.state != zone.Installed || now.entry != z.entry) {
		err = changed(z.name)
	}
	return err
}

func changed(name zone.Name) error { return fmt.Errorf("zone %s was changed meanwhile", name) }

// copyTree copies a zonepath of z into an empty folder.
func (m *Manager) copyTree(ctx context.Context, z *subjectZone, from, to string) error {
	size, _ := schema.IDSize.Of(z.cfg)
	src := m.source("d", from)
	src.MaxID, src.MaxFiles = int(size)-1, maxCopied
	result, err := src.Fill(ctx, to)
	for _, note := range result.Notes {
		m.Talk.Bare(note)
	}
	if err != nil {
		return err
	}
	return keepPrivate(to)
}

// maxCopied bounds the files of a zone that is copied: it is a zone of this
// host, so the bound is only against what never ends.
const maxCopied = 1 << 30

// settle takes out of the clone what belongs to the source alone.
func (c *cloning) settle(context.Context) error {
	if c.hooked {
		return nil
	}
	path := c.z.path()
	_ = os.Remove(filepath.Join(path, detachedName))
	_ = os.Remove(filepath.Join(path, attachedName))
	if err := keepPrivate(path); err != nil {
		return err
	}
	return forgetMachine(filepath.Join(path, rootName))
}

// forgetMachine empties the id by which systemd tells machines apart: init
// makes a new one at the next boot. The zone's root is not to be trusted, so
// nothing is followed out of it, and only a file is touched.
func forgetMachine(root string) error {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return subject(root, err)
	}
	defer unix.Close(dir)
	fd, err := unix.Openat2(dir, "etc/machine-id", &unix.OpenHow{
		Flags:   unix.O_WRONLY | unix.O_NONBLOCK | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return nil // not every zone has one
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
		_ = unix.Ftruncate(fd, 0)
	}
	return nil
}

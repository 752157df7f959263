// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"zones/internal/brand"
	"zones/internal/config"
	"zones/internal/control"
	"zones/internal/mount"
	"zones/internal/schema"
	"zones/internal/spec"
	"zones/internal/zfs"
	"zones/internal/zone"
)

// plan reads the zone's configuration and turns it into what the kernel is to
// be asked for. It returns too which datasets zones' roots are on.
func (s *server) plan() (*spec.Zone, map[string]zone.Name, error) {
	c, _, err := s.store.Load(s.name)
	if err != nil {
		return nil, nil, err
	}
	if err := answering(c); err != nil {
		return nil, nil, err
	}
	name, _ := schema.Brand.Of(c)
	if name == "" {
		name = brand.Default
	}
	b, err := brand.Find("/", name)
	if err != nil {
		return nil, nil, err
	}
	s.volumesWanted = wantsVolumes(c)
	facts, err := spec.Host(c)
	if err != nil {
		return nil, nil, err
	}
	if entry, err := s.store.Lookup(s.name); err == nil {
		facts.UUID = entry.UUID
	}
	z, err := spec.New(c, b, facts)
	if err != nil {
		return nil, nil, err
	}
	if err := s.checkOthers(z); err != nil {
		return nil, nil, err
	}
	if err := checkMounts(z.Tree.Root); err != nil {
		return nil, nil, err
	}
	return z, s.roots(), nil
}

// answering fails when the zone is on a pool that is suspended: whatever is done
// there waits, and cannot be killed.
func answering(c *config.Config) error {
	paths := []string{c.Text(schema.ZonePath.Property)}
	var names []string
	for _, fs := range c.All(schema.FSResource) {
		special := fs.Text(schema.FSSpecial.Property)
		if strings.HasPrefix(special, "/") {
			paths = append(paths, special)
		} else {
			names = append(names, special)
		}
	}
	for _, d := range c.All(schema.DatasetResource) {
		names = append(names, d.Text(schema.DatasetName.Property))
	}
	return errors.Join(zfs.Answering(names...), zfs.AnsweringAt(paths...))
}

// waitsFor is why a zone cannot be halted, if that is to be seen.
func (s *server) waitsFor() error {
	c, _, err := s.store.Load(s.name)
	if err != nil {
		return nil
	}
	return answering(c)
}

// checkOthers refuses a root, or ids, that another zone has now.
func (s *server) checkOthers(z *spec.Zone) error {
	names, err := control.Active()
	if err != nil {
		return err
	}
	root, first, last := z.Tree.Root, uint64(z.IDBase), uint64(z.IDBase)+uint64(z.IDSize)
	for _, other := range names {
		if other == s.name {
			continue
		}
		r, _, err := control.Status(other)
		if err != nil {
			continue
		}
		if r.Root == "" {
			// Its record is damaged.
			entry, err := s.store.Lookup(other)
			if err != nil {
				continue
			}
			r.Root = filepath.Join(entry.Path, "root")
		}
		if r.Root == root || strings.HasPrefix(r.Root, root+"/") || strings.HasPrefix(root, r.Root+"/") {
			return fmt.Errorf("zone root %s already in use by zone %s", root, other)
		}
		if base := uint64(r.UIDBase); first < base+uint64(r.UIDCount) && base < last {
			return fmt.Errorf("the ids from %d are in use by zone %s: set another %s", first, other, schema.IDBase.Name)
		}
	}
	return nil
}

// checkMounts refuses a root in which something of the host is mounted, and one
// that is seen in another place too: it is the zonepath that keeps users of the
// host from programs in the root that run with their owners' rights.
func checkMounts(root string) error {
	mounts, err := mount.Table("1")
	if err != nil {
		return err
	}
	var found []string
	for _, m := range mounts {
		if strings.HasPrefix(m.Path, root+"/") {
			found = append(found, "  "+m.Path)
		}
	}
	if len(found) > 0 {
		return errors.New("These file-systems are mounted on subdirectories of " + root + ":\n" + strings.Join(found, "\n"))
	}
	for _, other := range otherPlaces(root, mounts) {
		here, err := os.Lstat(root)
		if err != nil {
			return nil // whoever needs it says so
		}
		// Or something else is mounted over that.
		if there, err := os.Lstat(other); err == nil && os.SameFile(here, there) {
			return fmt.Errorf("zone root %s is reachable through %s", root, other)
		}
	}
	return nil
}

// otherPlaces are where a folder is to be seen as well, by mounts of its file
// system or of a part of that. What its file system is itself a part of does not
// count: a zonepath may be on a bind mount.
func otherPlaces(dir string, mounts []mount.Mounted) []string {
	var own mount.Mounted
	for _, m := range mounts {
		if within(dir, m.Path) && len(m.Path) >= len(own.Path) {
			own = m
		}
	}
	inside := filepath.Join(own.Root, strings.TrimPrefix(dir, own.Path))
	var places []string
	for _, m := range mounts {
		if m.Device == own.Device && m.Path != own.Path && within(m.Root, own.Root) && within(inside, m.Root) {
			places = append(places, filepath.Join(m.Path, strings.TrimPrefix(inside, m.Root)))
		}
	}
	return places
}

// within reports whether path is dir or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// roots are the datasets on which the roots of installed zones are.
func (s *server) roots() map[string]zone.Name {
	entries, err := s.store.Index()
	if err != nil {
		return nil
	}
	mounts, err := mount.Table("1")
	if err != nil {
		return nil
	}
	at := map[string]string{}
	for _, m := range mounts {
		if m.Kind == "zfs" && m.Root == "/" {
			at[m.Path] = m.Source
		}
	}
	roots := map[string]zone.Name{}
	for _, e := range entries {
		for _, dir := range []string{e.Path, e.Path + "/root"} {
			if dataset, ok := at[dir]; ok && e.State >= zone.Incomplete && e.Name != zone.Global {
				roots[dataset] = e.Name
			}
		}
	}
	return roots
}

// snapshot keeps the configuration that the zone is made of.
func (s *server) snapshot() error {
	data, err := os.ReadFile(s.store.ConfigFile(s.name))
	if err != nil {
		return err
	}
	file := s.store.SnapshotFile(s.name)
	if err := os.WriteFile(file+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

func (s *server) dropSnapshot() {
	file := s.store.SnapshotFile(s.name)
	_ = os.Remove(file + ".new") // of a snapshot that was cut off
	_ = os.Remove(file)
}

// bootArgs are the arguments of a boot that gives none.
func (s *server) bootArgs() string {
	if s.machine != nil && s.machine.Spec != nil {
		return s.machine.Spec.BootArgs
	}
	c, _, err := s.store.Load(s.name)
	if err != nil {
		return ""
	}
	args, _ := schema.BootArgs.Of(c)
	return args
}

// restarts reports whether such a death of init boots the zone again rather
// than halting it.
func (s *server) restarts(cleanly bool) bool {
	b, err := brand.Find("/", s.machine.Record.Brand)
	return err == nil && b.RestartInit && (cleanly || !b.RestartInit0)
}

// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"zones/internal/brand"
	"zones/internal/entrypoint"
	"zones/internal/schema"
	"zones/internal/unpacker"
	"zones/internal/zfs"
	"zones/internal/zone"
)

// Source says what a zone is installed from.
type Source struct {
	// Letter is the option that named it: a for an archive, d for a directory,
	// s for a ZFS snapshot or stream, i for an OCI image, r for a release, g
	// for whatever it turns out to be; 0 for none.
	Letter byte
	// Name is a path, a snapshot, an image or a release; empty for a root that
	// is there already, or else the release of the host.
	Name     string
	File     *os.File // Name as it was opened for the caller; nil: open it
	Overlays []string // further sources, unpacked over the first
	Packages []string // added to a release
	Mirror   string   // of a release; empty for the host's own
	NoHome   bool     // no file system of its own for the zonepath
}

// Install makes a configured zone usable. It is incomplete while the work goes
// on, and stays that if it fails.
func (m *Manager) Install(ctx context.Context, name zone.Name, src Source) error {
	if err := m.Verify(ctx, name, zone.Install); err != nil {
		return err
	}
	z, unlock, err := m.begin(ctx, name, zone.Install)
	if err != nil {
		return err
	}
	defer unlock()
	in := &install{m: m, z: z, src: src, path: z.path()}
	err = walk(ctx, zone.Install, in.steps())
	var failed *HookError
	if errors.As(err, &failed) && failed.retry() {
		return in.startOver(context.WithoutCancel(ctx), err)
	}
	return err
}

// load reads what a verb works on.
func (m *Manager) load(name zone.Name) (*subjectZone, error) {
	entry, err := m.Store.Lookup(name)
	if err != nil {
		return nil, named("could not get zone path", reason(err))
	}
	cfg, _, err := m.Store.Load(name)
	if err != nil {
		return nil, subject(string(name), reason(err))
	}
	state, err := m.State(name)
	if err != nil {
		return nil, named("could not get state", reason(err))
	}
	return &subjectZone{name: name, cfg: cfg, entry: entry, state: state}, nil
}

// install is one installation under way.
type install struct {
	m          *Manager
	z          *subjectZone
	src        Source
	path       string
	opened     []*unpacker.Source
	hooked     bool                   // the brand installs by a command of its own
	entrypoint *entrypoint.Entrypoint // of the last image that names a program; nil for none
}

func (in *install) root() string { return filepath.Join(in.path, rootName) }

// steps is the whole of an installation, in order.
func (in *install) steps() []step {
	return []step{
		{"open", in.open},
		{"incomplete", func(ctx context.Context) error { return in.m.begun(ctx, in.z) }},
		{"place", func(context.Context) error { return in.m.makePlace(in.z) }},
		{"ids", func(ctx context.Context) error { return in.m.giveIDs(ctx, in.z) }},
		{"dataset", in.dataset},
		{"root", in.makeRoot},
		{"unpack", in.unpack},
		{"settle", in.settle},
		{"sync", func(context.Context) error { return durable(in.path) }},
		{"installed", func(context.Context) error { return in.m.setState(in.z.name, zone.Installed) }},
		{"post", in.post},
	}
}

// open opens the sources before anything has been touched, so that a wrong
// name leaves the zone configured.
func (in *install) open(ctx context.Context) error {
	b, err := in.m.brandOf(in.z)
	if err != nil {
		return err
	}
	if _, in.hooked = b.Hook(brand.Install, "", ""); in.hooked {
		return nil
	}
	if in.src.Letter == 0 {
		if _, err := os.Lstat(filepath.Join(in.root())); err == nil {
			return nil
		}
		release, err := hostRelease()
		if err != nil {
			return err
		}
		in.src.Letter, in.src.Name = 'r', release
	}
	size, _ := schema.IDSize.Of(in.z.cfg)
	for i, name := range append([]string{in.src.Name}, in.src.Overlays...) {
		s := in.m.source("g", name)
		s.MaxID = int(size) - 1
		s.Mirror, s.Packages = in.src.Mirror, in.src.Packages
		if i == 0 {
			s.Letter, s.File = string(in.src.Letter), in.src.File
		}
		if err := s.Open(ctx); err != nil {
			return sourceError(name, err)
		}
		in.opened = append(in.opened, s)
		if s.Form == unpacker.Snapshot {
			if _, err := zfs.TypeOf(ctx, s.Short); errors.Is(err, zfs.ErrNotFound) {
				return sourceError(name, zfs.ErrNotFound)
			} else if err != nil {
				return sourceError(name, err)
			}
		}
	}
	return in.room(ctx)
}

// source is what a root is to be filled from.
func (m *Manager) source(letter, name string) *unpacker.Source {
	return &unpacker.Source{Letter: letter, Name: name, Anonymous: m.Distrust, Shared: m.shared, Stdin: m.Streams.In, Stderr: m.Streams.Err}
}

// room refuses to mix a source with what somebody has put there, or to put it
// in the place of that.
func (in *install) room(ctx context.Context) error {
	switch {
	case in.receives() && !emptyFolder(in.path):
		return aboutf("%s is not empty, and what is received would take its place.", in.path)
	case in.receives():
		return in.replaceable(ctx)
	case !in.receives() && !emptyFolder(in.root()):
		return aboutf("%s is not empty: install without a source to use what is there.", in.root())
	}
	return nil
}

// sourceError words a source that cannot be used.
func sourceError(name string, err error) error {
	return aboutf("could not install from '%s': %v", name, err)
}

// hostRelease is the code name of the distribution's release that runs here.
func hostRelease() (string, error) {
	data, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", fmt.Errorf("find out the host's release: %w", err)
	}
	for _, line := range strings.Split(string(data), "\n") {
		if name, ok := strings.CutPrefix(line, "VERSION_CODENAME="); ok && strings.Trim(name, `"`) != "" {
			return strings.Trim(name, `"`), nil
		}
	}
	return "", About("no source given, and the host names no release to bootstrap: use -a, -d, -s, -i or -r.")
}

func (in *install) dataset(ctx context.Context) error {
	if in.src.NoHome {
		return nil
	}
	in.m.makeHome(ctx, in.path)
	return nil
}

// makeRoot makes the folder that the sources are unpacked into. A stream brings
// its own.
func (in *install) makeRoot(context.Context) error {
	if in.hooked || in.receives() {
		return nil
	}
	if err := os.Mkdir(in.root(), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return subject(in.root(), bareErr(err))
	}
	return nil
}

func (in *install) receives() bool {
	if len(in.opened) == 0 {
		return false
	}
	return in.opened[0].Form != unpacker.Tree
}

func (in *install) unpack(ctx context.Context) error {
	if in.hooked {
		_, err := in.m.hook(ctx, in.z, brand.Install, in.m.Words...)
		return err
	}
	rest := in.opened
	if in.receives() {
		if err := in.receive(ctx, rest[0]); err != nil {
			return err
		}
		rest = rest[1:]
	}
	for _, s := range rest {
		result, err := s.Fill(ctx, in.root())
		for _, note := range result.Notes {
			in.m.Talk.Bare(note)
		}
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return sourceError(s.Short, err)
		}
		if result.Entrypoint != nil {
			in.entrypoint = result.Entrypoint
		}
	}
	return nil
}

// settle leaves the root as other hosts and the next boot expect it.
func (in *install) settle(context.Context) error {
	if in.hooked {
		return nil
	}
	_ = os.Remove(filepath.Join(in.path, detachedName))
	_ = os.Remove(filepath.Join(in.path, attachedName))
	if err := os.Chmod(in.root(), 0o755); err != nil {
		return subject(in.root(), bareErr(err))
	}
	if err := in.keepEntrypoint(); err != nil {
		return err
	}
	return giveZonename(in.root())
}

// post runs the brand's command for a zone that is installed. If that fails the
// zone is not.
func (in *install) post(ctx context.Context) error {
	_, err := in.m.hook(ctx, in.z, brand.PostInstall, in.m.Words...)
	if err != nil {
		return errors.Join(err, in.m.setState(in.z.name, zone.Incomplete))
	}
	return nil
}

// startOver takes back an installation whose command asked for that.
func (in *install) startOver(ctx context.Context, cause error) error {
	if err := in.m.removeZonepath(ctx, in.z.name, in.path); err != nil {
		in.m.Talk.Named("cleaning up zonepath failed", err)
		return cause
	}
	if err := in.m.setState(in.z.name, zone.Configured); err != nil {
		return err
	}
	return cause
}

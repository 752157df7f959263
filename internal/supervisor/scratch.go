// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"zones/internal/control"
	"zones/internal/mount"
	"zones/internal/zfs"
	"zones/internal/zone"
)

// scratchRoot is the root of a zone that is mounted for maintenance, below its
// zonepath.
const scratchRoot = "lu"

// hostDirs are shown, read-only, in a mounted zone: what its maintenance is
// done with.
var hostDirs = []string{"/bin", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr"}

// mount brings a zone up for maintenance: the host's programs, the zone's root
// at /a, and a first process that only waits, so that zlogin can enter.
func (s *server) mount(ctx context.Context, o *operation, op control.Op, state zone.State) error {
	if state.Active() || state == zone.Configured {
		return invalid(op, state)
	}
	m, release, err := s.planned(ctx, o, zone.Incomplete)
	if err != nil {
		return err
	}
	defer release()
	z := m.Spec
	lu := filepath.Join(z.Zonepath, scratchRoot)
	if err := os.Mkdir(lu, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make root of mounted zone: %w", err)
	}
	entries := []mount.Entry{{Type: mount.Bind, Source: z.Tree.Root, Target: "/a", Mapped: true},
		{Type: "tmpfs", Source: "tmpfs", Target: "/tmp", Options: []string{fmt.Sprintf("uid=%d", z.IDBase), "mode=1777"}}}
	for _, dir := range hostDirs {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			entries = append(entries, mount.Entry{Type: mount.Bind, Source: dir, Target: dir, Options: []string{"ro"}})
		}
	}
	z.Tree.Root, z.Tree.Entries, z.Tree.Files = lu, entries, nil
	z.Datasets, z.Links, z.Addresses = nil, nil, nil
	m.Mounted = true
	if err := m.Ready(ctx); err != nil {
		return errors.Join(err, clearScratch(lu))
	}
	s.take(m)
	return nil
}

// unmount ends a zone that was mounted.
func (s *server) unmount(ctx context.Context, o *operation, state zone.State) error {
	switch {
	case !state.Active():
		o.say("zone is already unmounted")
		return nil
	case state != zone.Mounted:
		return invalid(control.OpUnmount, state)
	}
	lu := filepath.Join(s.machine.Record.Zonepath, scratchRoot)
	if err := zfs.AnsweringAt(lu); err != nil {
		return err
	}
	m := s.machine
	s.drop()
	if err := m.Halt(ctx); err != nil {
		s.post(func() { s.machine = m })
		return errors.Join(err, errors.New("unable to destroy zone"))
	}
	return clearScratch(lu)
}

// clearScratch removes the mount points that were made in a scratch root: as
// folders that are empty, or files of no length, and nothing else.
func clearScratch(lu string) error {
	if err := zfs.AnsweringAt(lu); err != nil {
		return err
	}
	dir, err := mount.OpenRoot(lu)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	names := append([]string{"a", "tmp", "proc", "sys", "dev", "run"}, hostDirs...)
	for _, name := range names {
		_ = unix.Unlinkat(int(dir.Fd()), filepath.Base(name), unix.AT_REMOVEDIR)
	}
	if err := os.Remove(lu); err != nil {
		return fmt.Errorf("remove root of mounted zone: %w", err)
	}
	return nil
}

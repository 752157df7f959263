// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"zones/internal/cli"
	"zones/internal/schema"
	"zones/internal/zfs"
	"zones/internal/zone"
)

// Move gives an installed zone another zonepath. Whatever fails, and wherever
// zoneadm is cut off, the zone is whole at one of the two: what is under way is
// written down, and the next verb on the zone takes it back or completes it.
func (m *Manager) Move(ctx context.Context, name zone.Name, to string) error {
	if err := m.Verify(ctx, name, zone.Move); err != nil {
		return err
	}
	if now, err := m.Store.Lookup(name); err == nil && filepath.IsAbs(to) && (within(to, now.Path) || within(now.Path, to)) {
		return bare("could not move zone to %s: it overlaps with the present zonepath %s", to, now.Path)
	}
	// Once the zone is there it is too late to find out that this cannot be
	// written down.
	if len(to) > schema.ZonePath.Max {
		return subject("could not set new zonepath", unix.ENAMETOOLONG)
	}
	if err := m.Store.CheckPath(name, to); err != nil {
		return subject("could not set new zonepath", reason(err))
	}
	if err := m.answering(to); err != nil {
		return err
	}
	if info, err := os.Lstat(to); err == nil && info.IsDir() && !emptyFolder(to) {
		return bare("could not move zone to %s: directory not empty", to)
	}
	if err := m.verifyZonepath(name, to, zone.Move, zone.Installed); err != nil {
		return err
	}
	z, unlock, err := m.begin(ctx, name, zone.Move)
	if err != nil {
		return err
	}
	defer unlock()
	mv := &moving{m: m, z: z, journal: journal{From: z.path(), To: to}}
	if err := mv.allowed(); err != nil {
		return err
	}
	err = walk(ctx, zone.Move, mv.steps())
	if err == nil {
		return nil
	}
	// Once the index has the new place the zone is whole there alone; the next
	// verb goes on.
	now, lost := m.Store.Lookup(name)
	if lost != nil || now.Path != mv.From {
		return err
	}
	// The context may be over; taking back must not be.
	if back := m.takeBack(context.WithoutCancel(ctx), name, mv.From); back != nil {
		m.Talk.Bare(fmt.Sprintf("could not restore zonepath %s: %v", mv.From, back))
	}
	return err
}

// moving is one move under way.
type moving struct {
	m *Manager
	z *subjectZone
	journal
}

// allowed looks for mounts that the zone cannot be moved with, and for the zone:
// it is not there when its file system is not mounted.
func (mv *moving) allowed() error {
	root := filepath.Join(mv.From, rootName)
	if _, err := os.Lstat(root); err != nil {
		return subject(root, bareErr(err))
	}
	below, err := mountsBelow(mv.From)
	if err != nil {
		return err
	}
	overlays, others := 0, false
	for _, path := range below {
		if path == root {
			overlays++
		} else {
			others = true
		}
	}
	switch {
	case overlays > 1:
		return aboutf("%d overlay mount(s) detected on %s.", overlays-1, root)
	case others:
		return mv.m.refuseMounts(mv.From)
	}
	return nil
}

func (mv *moving) steps() []step {
	return []step{
		{"plan", mv.plan},
		{"write", mv.write},
		{"place", func(context.Context) error { return makeZonepath(mv.To) }},
		{"root", mv.unmountRoot},
		{"home", mv.home},
		{"transfer", mv.transfer},
		{"path", func(context.Context) error {
			if err := mv.m.Store.SetPath(mv.z.name, mv.To); err != nil {
				return subject("could not set new zonepath", reason(err))
			}
			return nil
		}},
		{"clean", func(ctx context.Context) error { return mv.m.complete(ctx, &mv.journal) }},
		{"remount", mv.remountRoot},
		{"forget", func(context.Context) error { return mv.m.dropJournal(mv.z.name) }},
	}
}

// plan chooses the first method that applies: a file system of the zonepath's
// own is mounted elsewhere, unless the new place is on another pool or has a
// file system already; a folder is renamed within its file system; and
// otherwise all is copied.
func (mv *moving) plan(ctx context.Context) error {
	mv.Was, mv.Made = identity(mv.From), missing(mv.To)
	dataset, err := homeAt(ctx, mv.From)
	if err != nil {
		return err
	}
	_, taken, err := mountedOn(mv.To)
	if err != nil {
		return err
	}
	if dataset != "" {
		got, err := zfs.Get(ctx, dataset, "mountpoint")
		if err != nil {
			return subject("could not move zone", err)
		}
		mv.Method, mv.Dataset, mv.Inherited = byMount, dataset, !got["mountpoint"].Local()
		mv.Legacy = !mv.Inherited && got["mountpoint"].Value == "legacy"
		if h, ok := homeOf(ctx, mv.To); taken || ok && pool(h.dataset) != pool(dataset) {
			mv.Method = byCopy
		}
	} else if _, on, err := mountedOn(mv.From); err != nil {
		return err
	} else if !on && !taken && mv.sameDevice() {
		mv.Method = byRename
	} else {
		mv.Method = byCopy
	}
	if h, ok := homeOf(ctx, mv.To); mv.Method == byCopy && !taken && ok && !zfs.Exists(ctx, h.dataset) {
		mv.Home = h.dataset
	}
	root, err := zfs.MountedAt(filepath.Join(mv.From, rootName))
	mv.Root = root
	return err
}

func (mv *moving) write(ctx context.Context) error {
	return mv.m.claim(ctx, mv.z.name, mv.To, func() error { return mv.m.writeJournal(mv.z.name, &mv.journal) })
}

// pool is the pool of a dataset.
func pool(dataset string) string {
	name, _, _ := strings.Cut(dataset, "/")
	return name
}

// sameDevice reports whether both places are on one file system.
func (mv *moving) sameDevice() bool {
	to := mv.To
	if len(mv.Made) > 0 {
		to = lowestAbove(to)
	}
	var x, y unix.Stat_t
	return unix.Lstat(mv.From, &x) == nil && unix.Lstat(to, &y) == nil && x.Dev == y.Dev
}

// unmountRoot takes away a root that is a file system of its own; it comes back
// at the new place. One that is no dataset moves with the folder that it is in,
// or not at all.
func (mv *moving) unmountRoot(context.Context) error {
	switch {
	case mv.Root == "" && mv.Method == byCopy:
		return mv.m.refuseMounts(mv.From)
	case mv.Root == "":
		return nil
	}
	return unmountRootAt(filepath.Join(mv.From, rootName))
}

func unmountRootAt(root string) error {
	if err := unix.Unmount(root, unix.UMOUNT_NOFOLLOW); err != nil {
		return aboutf("unable to unmount zone root %s: %v", root, cli.Reason(err))
	}
	return nil
}

func (mv *moving) remountRoot(ctx context.Context) error {
	if mv.Root == "" {
		return nil
	}
	return mv.m.remount(ctx, mv.Root, filepath.Join(mv.To, rootName))
}

// remount mounts a separate root where the zonepath has it.
func (m *Manager) remount(ctx context.Context, dataset, root string) error {
	point, err := zfs.Value(ctx, dataset, "mountpoint")
	if err != nil {
		return subject("could not remount the zone's root", err)
	}
	switch at, _ := zfs.MountedAt(root); {
	case at == dataset:
		return nil
	case point == "legacy":
		if err := unix.Mount(dataset, root, "zfs", 0, ""); err != nil {
			return subject("could not remount the zone's root", err)
		}
	case point == root:
		return zfs.Mount(ctx, dataset)
	default:
		return zfs.Set(ctx, dataset, "mountpoint="+root)
	}
	return nil
}

// home makes a file system for the new zonepath when the zone is copied.
func (mv *moving) home(ctx context.Context) error {
	if mv.Method == byCopy {
		mv.m.makeHome(ctx, mv.To)
	}
	return nil
}

func (mv *moving) transfer(ctx context.Context) error {
	switch mv.Method {
	case byMount:
		if err := zfs.Set(ctx, mv.Dataset, "mountpoint="+mv.To); err != nil {
			return subject("could not move zone", err)
		}
		return nil
	case byRename:
		if err := os.Remove(mv.To); err != nil {
			return subject("could not rmdir new zone path", bareErr(err))
		}
		if err := os.Rename(mv.From, mv.To); err != nil {
			return subject("could not move zone", bareErr(err))
		}
		return nil
	}
	mv.m.Talk.Print(fmt.Sprintf("Moving across file systems; copying zonepath %s...", mv.From))
	if err := mv.m.copyTree(ctx, mv.z, mv.From, mv.To); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return subject("could not move zone", err)
	}
	// The original is removed next.
	return durable(mv.To)
}

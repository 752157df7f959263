// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"zones/internal/store"
	"zones/internal/zfs"
	"zones/internal/zone"
)

// moveMethod is how a zone is moved.
type moveMethod string

const (
	byMount  moveMethod = "mount"
	byRename moveMethod = "rename"
	byCopy   moveMethod = "copy"
)

// A journal is a move that has begun. As long as the index has the old path the
// move is taken back when it was cut off; once it has the new one it is
// completed.
type journal struct {
	From, To  string
	Made      []string // To and what is above it, as far as it is made for this move
	Method    moveMethod
	Dataset   string // the zonepath's file system, moved by its mountpoint
	Inherited bool   // its mountpoint was inherited
	Root      string // the dataset of a separate root
	Home      string // the dataset that a copy gets for itself
	Legacy    bool   // the dataset's mountpoint was "legacy"
	Was       string // what tells From, before the move, from what comes to be there
}

// identity tells a folder from any other that has its name before or after it;
// empty when there is none.
func identity(path string) string {
	var st unix.Statx_t
	flags := unix.AT_SYMLINK_NOFOLLOW
	if unix.Statx(unix.AT_FDCWD, path, flags, unix.STATX_INO|unix.STATX_BTIME, &st) != nil {
		return ""
	}
	return fmt.Sprintf("%d %d.%09d", st.Ino, st.Btime.Sec, st.Btime.Nsec)
}

func (m *Manager) journalFile(name zone.Name) string {
	return filepath.Join(m.Store.ConfigDir(), string(name)+store.MoveNote)
}

// dropHalf removes notes of a zone that were not written whole. The caller holds
// the zone's lock, so that nobody is about to.
func (m *Manager) dropHalf(name zone.Name) {
	for _, note := range []string{m.journalFile(name), m.shiftFile(name)} {
		_ = os.Remove(note + store.NewNote)
	}
}

// noted reports whether there is a note of a move of the zone, be it half of one.
func (m *Manager) noted(name zone.Name) bool {
	_, err := os.Lstat(m.journalFile(name))
	_, half := os.Lstat(m.journalFile(name) + store.NewNote)
	return err == nil || half == nil
}

func (m *Manager) writeJournal(name zone.Name, j *journal) error {
	return writeNote(m.journalFile(name), j)
}

// writeNote writes down, whole or not at all, what is under way.
func writeNote(path string, what any) error {
	data, err := json.Marshal(what)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path+store.NewNote, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return subject(path, bareErr(err))
	}
	_, err = f.Write(append(data, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+store.NewNote, path)
	}
	if err != nil {
		_ = os.Remove(path + store.NewNote)
		return subject(path, bareErr(err))
	}
	return nil
}

func (m *Manager) dropJournal(name zone.Name) error {
	err := os.Remove(m.journalFile(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// recoverMove takes back or completes a move of the zone that was cut off. The
// caller holds the zone's lock; indexPath is what the index has.
func (m *Manager) recoverMove(ctx context.Context, name zone.Name, indexPath string) error {
	j, err := m.readJournal(name)
	if j == nil || err != nil {
		return err
	}
	if indexPath != j.To {
		return m.takeBack(ctx, name, indexPath)
	}
	if err := m.complete(ctx, j); err != nil {
		return err
	}
	if j.Root != "" {
		if err := m.remount(ctx, j.Root, filepath.Join(j.To, rootName)); err != nil {
			return err
		}
	}
	return m.dropJournal(name)
}

func (m *Manager) readJournal(name zone.Name) (*journal, error) {
	path := m.journalFile(name)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	j := &journal{}
	if err := json.Unmarshal(data, j); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return j, nil
}

// complete removes what a move leaves at the old place.
func (m *Manager) complete(ctx context.Context, j *journal) error {
	switch j.Method {
	case byMount:
		// The folder that was the mount point; other things in it stay.
		_ = os.Remove(j.From)
	case byCopy:
		if _, err := os.Lstat(j.From); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		m.Talk.Print(fmt.Sprintf("Cleaning up zonepath %s...", j.From))
		err := m.removeOriginal(ctx, j)
		if errors.Is(err, unix.EROFS) {
			// The zone is whole in its new place, and does not wait for this.
			m.Talk.Bare(fmt.Sprintf("WARNING: %s is on a file system that is read-only, and is left alone.", j.From))
			return nil
		}
		return err
	}
	return nil
}

// removeOriginal removes what was copied. A separate root was not copied; the
// host may have mounted it again meanwhile, and nothing in it is to go. Nor is
// what has come to be in the old place since.
func (m *Manager) removeOriginal(ctx context.Context, j *journal) error {
	// The folder that the dataset was mounted on, when that is gone already.
	if j.Dataset != "" && os.Remove(j.From) == nil {
		if zfs.Exists(ctx, j.Dataset) {
			m.Talk.Bare(fmt.Sprintf("WARNING: %s is not mounted at %s, and is left alone.", j.Dataset, j.From))
		}
		return nil
	}
	if j.Was != "" && identity(j.From) != j.Was {
		m.Talk.Bare(fmt.Sprintf("WARNING: %s is not what the zone was moved from, and is left alone.", j.From))
		return nil
	}
	root := filepath.Join(j.From, rootName)
	if at, err := zfs.MountedAt(root); err == nil && at != "" && at == j.Root {
		if err := unmountRootAt(root); err != nil {
			return err
		}
	}
	if err := m.refuseMounts(j.From); err != nil {
		return err
	}
	at, err := homeAt(ctx, j.From)
	if err != nil {
		return err
	}
	if at != j.Dataset {
		m.Talk.Bare(fmt.Sprintf("WARNING: %s is not mounted at %s, and is left alone.", j.Dataset, j.From))
		return nil
	}
	if j.Dataset == "" {
		if _, on, err := mountedOn(j.From); err != nil || on {
			return errors.Join(err, m.clearFolder(j.From))
		}
		return m.removeTree(j.From)
	}
	kept, err := keptSnapshots(ctx, j.Dataset)
	if err != nil {
		return err
	}
	if kept {
		m.Talk.Bare(fmt.Sprintf("WARNING: %s has snapshots, which do not move with the zone.\n"+
			"It is left empty, and with them.", j.Dataset))
		return m.emptyHome(ctx, j.Dataset, j.From)
	}
	if err := m.destroyHome(ctx, j.Dataset, j.From); err != nil {
		m.Talk.Bare(err.Error())
		return m.emptyHome(ctx, j.Dataset, j.From)
	}
	return nil
}

// keptSnapshots reports whether a dataset has snapshots that were not made for
// clones.
func keptSnapshots(ctx context.Context, dataset string) (bool, error) {
	all, err := zfs.Snapshots(ctx, dataset)
	for _, s := range all {
		if number(s.Name) == 0 {
			return true, err
		}
	}
	return false, err
}

// emptyHome removes what is in a file system that cannot be destroyed.
func (m *Manager) emptyHome(ctx context.Context, dataset, path string) error {
	if at, err := zfs.MountedAt(path); err == nil && at == "" {
		_ = zfs.Mount(ctx, dataset)
	}
	return m.clearFolder(path)
}

// takeBack undoes a move as far as it has come. Each part may have been done or
// not: what is there is asked of the system. A zone without a journal is as it
// was.
func (m *Manager) takeBack(ctx context.Context, name zone.Name, indexPath string) error {
	j, err := m.readJournal(name)
	if j == nil || err != nil {
		return err
	}
	if indexPath != j.From {
		return fmt.Errorf("%s names %s, the index %s: mend one and remove the file", m.journalFile(name), j.From, indexPath)
	}
	switch j.Method {
	case byMount:
		err = m.mountBack(ctx, j)
	case byRename:
		if _, statErr := os.Lstat(j.From); errors.Is(statErr, fs.ErrNotExist) {
			if j.Was != "" && identity(j.To) != j.Was {
				return fmt.Errorf("the zone is neither at %s nor at %s", j.From, j.To)
			}
			err = os.Rename(j.To, j.From)
		}
	case byCopy:
		err = m.removeCopy(ctx, j)
	}
	if err != nil {
		return err
	}
	if len(j.Made) > 0 {
		removeEmpty(j.Made)
	} else if _, statErr := os.Lstat(j.To); errors.Is(statErr, fs.ErrNotExist) {
		_ = os.Mkdir(j.To, 0o700)
	}
	if j.Root != "" {
		if err := m.remount(ctx, j.Root, filepath.Join(j.From, rootName)); err != nil {
			return err
		}
	}
	return m.dropJournal(name)
}

func (m *Manager) mountBack(ctx context.Context, j *journal) error {
	if at, err := zfs.MountedAt(j.From); err != nil || at == j.Dataset {
		return err
	}
	if err := makeZonepath(j.From); err != nil {
		return err
	}
	if j.Legacy {
		if err := zfs.Set(ctx, j.Dataset, "mountpoint=legacy"); err != nil {
			return err
		}
		if at, err := zfs.MountedAt(j.From); err != nil || at == j.Dataset {
			return err
		}
		if err := unix.Mount(j.Dataset, j.From, "zfs", 0, ""); err != nil {
			return subject(j.Dataset, err)
		}
		return nil
	}
	if j.Inherited {
		if err := zfs.Inherit(ctx, j.Dataset, "mountpoint"); err != nil {
			return err
		}
	} else if err := zfs.Set(ctx, j.Dataset, "mountpoint="+j.From); err != nil {
		return err
	}
	if at, err := zfs.MountedAt(j.From); err != nil || at == j.Dataset {
		return err
	}
	return zfs.Mount(ctx, j.Dataset)
}

// removeCopy removes what was copied so far, and the file system made for it.
// What has no name of the original is somebody else's.
func (m *Manager) removeCopy(ctx context.Context, j *journal) error {
	at, err := homeAt(ctx, j.To)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(j.To)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	foreign := false
	for _, e := range entries {
		if _, err := os.Lstat(filepath.Join(j.From, e.Name())); err != nil {
			foreign = true
			continue
		}
		if e.Name() == ".zfs" {
			continue
		}
		if err := m.removeTree(filepath.Join(j.To, e.Name())); err != nil {
			return err
		}
	}
	switch {
	case foreign:
		m.Talk.Bare(fmt.Sprintf("WARNING: %s holds other things than the copy of the zone, which are left alone.", j.To))
	case at != "" && at == j.Home:
		if err := zfs.DestroyAll(ctx, at); err != nil {
			return err
		}
		m.dropAbove(ctx, at)
	case j.Home != "" && !zfs.Exists(ctx, j.Home):
		m.dropAbove(ctx, j.Home)
	}
	return nil
}

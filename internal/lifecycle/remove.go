// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"zones/internal/entrypoint"
	"zones/internal/store"
	"zones/internal/zfs"
	"zones/internal/zone"
)

// standard are the entries of a zonepath that belong to the zone, among them what
// is left of a detach that was cut off.
var standard = map[string]bool{devName: true, luName: true, rootName: true, attachedName: true, entrypoint.File: true,
	detachedName: true, "." + detachedName + ".new": true}

var errZonepath = errors.New("invalid zonepath")

// removeZonepath removes a zonepath: a file system of its own is destroyed,
// clones of it living on; a folder is removed. Where somebody put other things
// there, they stay.
func (m *Manager) removeZonepath(ctx context.Context, name zone.Name, path string) error {
	if path == "" || path == "/" {
		return fmt.Errorf("%w '%s'", errZonepath, path)
	}
	entries, err := os.ReadDir(path)
	if len(entries) == 0 {
		m.noteUnmounted(ctx, path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return bareErr(err)
	}
	dataset, err := homeAt(ctx, path)
	if err != nil {
		return err
	}
	// What was received and is not in order yet is the zone's as a whole.
	raw := false
	if dataset != "" {
		if raw, err = received(ctx, dataset, string(name)); err != nil {
			return err
		}
	}
	foreign := false
	for _, e := range entries {
		foreign = foreign || !raw && !standard[e.Name()] && e.Name() != ".zfs"
	}
	if foreign {
		for name := range standard {
			if err := m.removeTree(filepath.Join(path, name)); err != nil {
				return err
			}
		}
		m.Talk.Bare(fmt.Sprintf("WARNING: Unable to completely remove %s\n"+
			"because it contains additional user data. Only the standard directory\n"+
			"entries have been removed.", path))
		return nil
	}
	if dataset != "" {
		err := m.destroyHome(ctx, dataset, path)
		if err == nil {
			m.Talk.Print("The ZFS file system for this zone has been destroyed.")
			return nil
		}
		m.Talk.Bare(err.Error())
		return m.emptyHome(ctx, dataset, path)
	}
	switch _, on, err := mountedOn(path); {
	case err != nil:
		return err
	case on:
		return m.clearFolder(path)
	}
	return m.removeTree(path)
}

// noteUnmounted names the file system of a zonepath that is not mounted: what is
// in it is not removed.
func (m *Manager) noteUnmounted(ctx context.Context, path string) {
	h, ok := homeOf(ctx, path)
	if !ok {
		return
	}
	got, err := zfs.Get(ctx, h.dataset, "mountpoint", "mounted", forProp)
	if err == nil && got["mountpoint"].Value == path && got["mounted"].Value == "no" && !got[forProp].Local() {
		m.Talk.Bare(fmt.Sprintf("WARNING: %s, which belongs at %s, is not mounted, and is left alone.", h.dataset, path))
	}
}

// clearFolder removes what is in a folder that stays.
func (m *Manager) clearFolder(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return subject(path, bareErr(err))
	}
	for _, e := range entries {
		if e.Name() == ".zfs" {
			continue
		}
		if err := m.removeTree(filepath.Join(path, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// snapshotPrefix is what the snapshots made for clones begin with.
const snapshotPrefix = "SUNWzone"

// destroyHome destroys a zonepath's file system and its snapshots. Clones of
// it are promoted first; the snapshot that it is itself a clone of goes with
// it when nothing else needs that.
func (m *Manager) destroyHome(ctx context.Context, dataset, path string) error {
	children, err := zfs.Children(ctx, dataset)
	if err != nil {
		return err
	}
	if len(children) > 0 {
		return fmt.Errorf("zfs destroy %s failed: the dataset still has dependents", dataset)
	}
	// While one clone takes over, another may be made.
	const attempts = 10
	origin := ""
	for range attempts {
		if origin, err = m.destroyOnce(ctx, dataset); err == nil || !errors.Is(err, zfs.ErrDependents) {
			break
		}
	}
	if err != nil {
		return err
	}
	_ = os.Remove(path)
	if strings.Contains(origin, "@") {
		m.dropOrigin(ctx, origin)
	}
	m.dropAbove(ctx, dataset)
	return nil
}

// destroyOnce is destroyHome for the clones that there are when it begins. It
// returns where the dataset came from.
func (m *Manager) destroyOnce(ctx context.Context, dataset string) (origin string, err error) {
	if err := m.promoteClone(ctx, dataset); err != nil {
		return "", err
	}
	if origin, err = zfs.Value(ctx, dataset, "origin"); err != nil {
		return "", err
	}
	left, err := zfs.Snapshots(ctx, dataset)
	if err != nil {
		return "", err
	}
	for _, s := range left {
		if err := zfs.Destroy(ctx, s.Name); err != nil && !errors.Is(err, zfs.ErrNotFound) {
			return "", &destroyError{"destroy " + s.Name, err}
		}
	}
	// This unmounts it as well: between two calls zoneadm could be killed, and
	// an unmounted one is not found again.
	if err := zfs.Destroy(ctx, dataset); err != nil {
		verb := "destroy "
		if errors.Is(err, zfs.ErrBusy) {
			verb = "unmount "
		}
		return "", &destroyError{verb + dataset, err}
	}
	return origin, nil
}

// destroyError is a call of zfs that left a dataset, in the words that programs
// know.
type destroyError struct {
	call string
	err  error
}

func (e *destroyError) Error() string { return "zfs " + e.call + " failed: " + zfs.Said(e.err) }
func (e *destroyError) Unwrap() error { return e.err }

// dropOrigin destroys the snapshot a clone came from, if that is a zone's and
// has no other clone. One that somebody keeps to make zones of is his.
func (m *Manager) dropOrigin(ctx context.Context, origin string) {
	dataset, _, _ := strings.Cut(origin, "@")
	if number(origin) == 0 && !m.ofZone(dataset) {
		return
	}
	clones, err := zfs.Value(ctx, origin, "clones")
	if err == nil && (clones == "" || clones == "-") {
		_ = zfs.Destroy(ctx, origin)
	}
}

// ofZone reports whether a dataset is mounted where a zone is.
func (m *Manager) ofZone(dataset string) bool {
	mounted, err := zfs.MountTable()
	if err != nil {
		return false
	}
	entries, err := m.Store.Index()
	if err != nil {
		return false
	}
	for _, at := range mounted {
		for _, e := range entries {
			if at.Dataset == dataset && at.Path == e.Path && e.Name != zone.Global {
				return true
			}
		}
	}
	return false
}

// promoteClone makes the youngest clone of a dataset's snapshots the owner of
// that snapshot and of all older ones. Their names must not meet those of the
// clone's own: both sides count, so they are numbered anew before.
func (m *Manager) promoteClone(ctx context.Context, dataset string) error {
	snapshots, err := zfs.Snapshots(ctx, dataset)
	if err != nil {
		return err
	}
	clone := ""
	for _, s := range snapshots {
		if len(s.Clones) > 0 {
			clone = s.Clones[len(s.Clones)-1]
		}
	}
	if clone == "" {
		return nil
	}
	theirs, err := zfs.Snapshots(ctx, clone)
	if err != nil {
		return err
	}
	next := 1 + max(highest(snapshots), highest(theirs))
	for _, s := range snapshots {
		if number(s.Name) == 0 {
			continue
		}
		to := dataset + "@" + snapshotPrefix + strconv.Itoa(next)
		if err := zfs.Rename(ctx, s.Name, to); err != nil {
			return fmt.Errorf("failed to rename snapshot %s to %s: %s", s.Name, to, zfs.Said(err))
		}
		next++
	}
	if err := zfs.Promote(ctx, clone); err != nil {
		return fmt.Errorf("failed to promote %s: %s", clone, zfs.Said(err))
	}
	return nil
}

// number is N of a snapshot dataset@SUNWzoneN, 0 for any other.
func number(snapshot string) int {
	_, snap, _ := strings.Cut(snapshot, "@")
	digits, ok := strings.CutPrefix(snap, snapshotPrefix)
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 0 {
		return 0
	}
	return n
}

func highest(snapshots []zfs.SnapshotInfo) int {
	top := 0
	for _, s := range snapshots {
		top = max(top, number(s.Name))
	}
	return top
}

// removalStatus is the exit status that programs have come to know for a
// zonepath that was not removed.
func removalStatus(err error) int {
	if errors.Is(err, errZonepath) {
		return 12
	}
	return 1
}

// stateStatus is the exit status that programs have come to know for a state
// that could not be written.
func stateStatus(err error) int {
	for _, known := range []struct {
		reason error
		status int
	}{
		{store.ErrIndex, 25}, {store.ErrLock, 26}, {store.ErrFileSystem, 15}, {store.ErrPermission, 13},
	} {
		if errors.Is(err, known.reason) {
			return known.status
		}
	}
	return 1
}

// SPDX-License-Identifier: Apache-2.0

// Package control is what zoneadm, zlogin and a zone's zoneadmd say to each
// other: the files below /run/zones, the lock of a zone, the record of an
// active zone, and the requests that a supervisor serves on its socket. It
// carries nothing out; the supervisor does.
package control

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"zones/internal/zone"
)

// Dir holds the run-time files. Names in it cannot be listed by others than
// root (mode 0711), but a record whose name is known can be read by anybody:
// list needs no privilege.
const Dir = "/run/zones"

var (
	// ErrNoSupervisor says that no zoneadmd answers for the zone.
	ErrNoSupervisor = errors.New("zoneadmd does not appear to be available")
	// ErrNotActive says that the kernel holds nothing of the zone.
	ErrNotActive = errors.New("zone is not active")
	// ErrFailed says that an operation failed; why has been relayed.
	ErrFailed = errors.New("operation failed")
	// ErrLost says that the supervisor went away in the middle of a request.
	ErrLost = errors.New("lost contact with zoneadmd")
	// ErrRefused says that the peer may not ask for this.
	ErrRefused = errors.New("permission denied")
)

// BusyError says who has the console.
type BusyError struct{ PID int }

func (e *BusyError) Error() string {
	return fmt.Sprintf("Console is already in use by process ID %d.", e.PID)
}

// Path is the name of one of a zone's run-time files, for example
// Path("web", "zoneadmd_door").
func Path(name zone.Name, suffix string) string {
	return filepath.Join(Dir, string(name)+"."+suffix)
}

// Suffixes of the files of a zone below Dir.
const (
	DoorSuffix   = "zoneadmd_door" // the supervisor's socket, 0600
	recordSuffix = "state"         // the record of an active zone
)

const dirMode = 0o711

// prepare makes Dir when it is missing and refuses one that is not root's.
func prepare() error {
	if err := os.Mkdir(Dir, dirMode); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(Dir)
	if err != nil {
		return err
	}
	if !info.IsDir() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is not a directory that only root writes to", Dir)
	}
	if info.Mode().Perm() != dirMode {
		return os.Chmod(Dir, dirMode)
	}
	return nil
}

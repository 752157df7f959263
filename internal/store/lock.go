// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"zones/internal/zone"
)

// LockHeldEnv is the environment variable which tells a zoneadm that runs
// below another one (from a brand's hook) that the zone's lock is held by its
// ancestor. Its value is then "1".
const LockHeldEnv = "_ZONEADM_LOCK_HELD"

// LockHeld reports whether an ancestor of this process holds the zone's lock.
func LockHeld() bool { return os.Getenv(LockHeldEnv) == "1" }

// A Lock is an exclusive lock; it ends with Unlock or with the process. It is
// not inherited by programs that the process runs, unless they are given it.
type Lock struct {
	fd int // -1 when an ancestor holds the lock
}

// Share is the open file that has the lock, once more, for programs that are to
// have it too; nil when an ancestor has it.
func (l *Lock) Share() (*os.File, error) {
	if l.fd < 0 {
		return nil, nil
	}
	fd, err := unix.FcntlInt(uintptr(l.fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "lock"), nil
}

// Unlock ends the lock. The file stays: removing it would let two holders in.
func (l *Lock) Unlock() error {
	if l.fd < 0 {
		return nil
	}
	return unix.Close(l.fd)
}

// LockZone takes the administration lock of a zone, which whoever installs,
// moves, boots or removes it holds. It waits as long as another process has it,
// or until ctx is done, whose error it then returns. If an ancestor holds the
// lock ([LockHeldEnv]) it succeeds at once. An *Error for ErrZoneLock means
// that the lock cannot be had at all.
func (s *Store) LockZone(ctx context.Context, name zone.Name) (*Lock, error) {
	if LockHeld() {
		return &Lock{fd: -1}, nil
	}
	return s.LockAll(ctx, name)
}

// LockAll is LockZone for what zones have in common, of which what is no zone's
// name says what it is. No ancestor is asked: it holds the lock of its zone.
func (s *Store) LockAll(ctx context.Context, name zone.Name) (*Lock, error) {
	path := s.zoneLockFile(name)
	fd, err := s.openLock(path)
	if err != nil {
		return nil, &Error{Reason: ErrZoneLock, File: path, Err: err}
	}
	// Looking again and again keeps the wait interruptible without a signal
	// handler; it starts fast because most holders are done in milliseconds.
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		err := flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return &Lock{fd: fd}, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			_ = unix.Close(fd)
			return nil, &Error{Reason: ErrZoneLock, File: path, Err: err}
		}
		select {
		case <-ctx.Done():
			_ = unix.Close(fd)
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// errBusy says that another process holds a lock which was not waited for.
var errBusy = errors.New("lock is held")

// lockIndex takes the lock of all files in the configuration folder.
func (s *Store) lockIndex(wait bool) (*Lock, error) {
	path := s.RunDir() + "/index.lock"
	fd, err := s.openLock(path)
	if err != nil {
		return nil, &Error{Reason: ErrLock, File: path, Err: err}
	}
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	if err := flock(fd, how); err != nil {
		_ = unix.Close(fd)
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errBusy
		}
		return nil, &Error{Reason: ErrLock, File: path, Err: err}
	}
	return &Lock{fd: fd}, nil
}

func (s *Store) openLock(path string) (int, error) {
	const flags = unix.O_RDWR | unix.O_CREAT | unix.O_NOFOLLOW
	fd, err := open(path, flags, 0o600)
	if !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	if err := s.makeRunDir(); err != nil {
		return -1, err
	}
	return open(path, flags, 0o600)
}

// makeRunDir makes the folder of run-time files with mode 0711 unless it is
// there.
func (s *Store) makeRunDir() error {
	if s.root != "" {
		if err := os.MkdirAll(s.root+"/run", 0o755); err != nil {
			return err
		}
	}
	err := os.Mkdir(s.RunDir(), 0o711)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}

func flock(fd, how int) error {
	return retry(func() error { return unix.Flock(fd, how) })
}

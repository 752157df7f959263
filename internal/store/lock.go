// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"zones/internal/zone"
)

// LockHeldEnv is the environment variable which tells a zoneadm that runs
// below another one (from a brand's hook) that the zone's lock is held by its
// ancestor. Its value is then "1".
const LockHeldEnv = "_ZONEADM_LOCK_HELD"

// A Lock is an exclusive lock; it ends with Unlock or with the process. It is
// not inherited by programs that the process runs.
type Lock struct {
	file *os.File // nil when an ancestor holds the lock
}

// Unlock ends the lock. The file stays: removing it would let two holders in.
func (l *Lock) Unlock() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// LockZone takes the administration lock of a zone, which whoever installs,
// moves, boots or removes it holds. It waits as long as another process has it,
// or until ctx is done, whose error it then returns. If an ancestor holds the
// lock ([LockHeldEnv]) it succeeds at once. An *Error for ErrZoneLock means
// that the lock cannot be had at all.
func (s *Store) LockZone(ctx context.Context, name zone.Name) (*Lock, error) {
	if os.Getenv(LockHeldEnv) == "1" {
		return &Lock{}, nil
	}
	path := s.ZoneLockFile(name)
	f, err := s.openLock(path)
	if err != nil {
		return nil, &Error{Reason: ErrZoneLock, File: path, Err: err}
	}
	got := make(chan error, 1)
	go func() { got <- flock(f, unix.LOCK_EX) }()
	select {
	case err = <-got:
	case <-ctx.Done():
		// The wait itself cannot be called off; whatever it yields is let go.
		go func() {
			<-got
			_ = f.Close()
		}()
		return nil, ctx.Err()
	}
	if err != nil {
		_ = f.Close()
		return nil, &Error{Reason: ErrZoneLock, File: path, Err: err}
	}
	return &Lock{file: f}, nil
}

// errBusy says that another process holds a lock which was not waited for.
var errBusy = errors.New("lock is held")

// lockIndex takes the lock of all files in the configuration folder.
func (s *Store) lockIndex(wait bool) (*Lock, error) {
	path := s.RunDir() + "/index.lock"
	f, err := s.openLock(path)
	if err != nil {
		return nil, &Error{Reason: ErrLock, File: path, Err: err}
	}
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	if err := flock(f, how); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errBusy
		}
		return nil, &Error{Reason: ErrLock, File: path, Err: err}
	}
	return &Lock{file: f}, nil
}

func (s *Store) openLock(path string) (*os.File, error) {
	const flags = os.O_RDWR | os.O_CREATE | unix.O_NOFOLLOW | unix.O_CLOEXEC
	f, err := os.OpenFile(path, flags, 0o600)
	if !errors.Is(err, os.ErrNotExist) {
		return f, err
	}
	if err := s.MakeRunDir(); err != nil {
		return nil, err
	}
	return os.OpenFile(path, flags, 0o600)
}

// MakeRunDir makes the folder of run-time files with mode 0700 unless it is
// there.
func (s *Store) MakeRunDir() error {
	if s.root != "" {
		if err := os.MkdirAll(s.root+"/run", 0o755); err != nil {
			return err
		}
	}
	err := os.Mkdir(s.RunDir(), 0o700)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

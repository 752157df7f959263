// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"zones/internal/zone"
)

// A Lock is the administration lock of one zone, held.
type Lock struct{ file *os.File }

// TakeLock waits until nobody else holds the zone's administration lock and
// takes it. The lock dies with the process that holds it; it is not passed on
// to programs this one starts.
func TakeLock(ctx context.Context, name zone.Name) (*Lock, error) {
	if err := Prepare(); err != nil {
		return nil, fmt.Errorf("lock zone: %w", err)
	}
	f, err := os.OpenFile(Path(name, LockSuffix), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock zone: %w", err)
	}
	// Polling keeps the wait interruptible without a signal handler; it starts
	// fast because most holders are done in milliseconds.
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return &Lock{f}, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock zone: %w", err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// Unlock releases the lock. The file stays, as others may be waiting on it.
func (l *Lock) Unlock() error { return l.file.Close() }

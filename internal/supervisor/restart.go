// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"zones/internal/control"
)

// restart is about a zone that ends by itself again and again: each time it is
// booted later, so that it does not keep the host busy.
type restart struct {
	early int       // ends in a row that came early
	at    time.Time // when the zone is booted again; zero unless it waits for that
}

const (
	// earlyEnd is how long a zone has to live to be booted again at once.
	earlyEnd = 5 * time.Second
	// restartMost is the longest that a zone waits.
	restartMost = 10 * time.Second
)

// ended counts an end after so long a life, and tells how long to wait.
func (r *restart) ended(lived time.Duration) time.Duration {
	if lived >= earlyEnd {
		r.early = 0
		return 0
	}
	r.early++
	wait := time.Duration(0)
	for n := 1; n < r.early && wait < restartMost; n++ {
		wait = max(2*wait, time.Second)
	}
	return min(wait, restartMost)
}

// due reports whether the zone has waited long enough.
func (r *restart) due() bool { return !r.at.IsZero() && !time.Now().Before(r.at) }

// lived is the time since the zone's first process began.
func lived(r *control.Record) time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil || r.Start == 0 {
		return earlyEnd
	}
	const tick = time.Second / 100 // USER_HZ
	return time.Duration(now.Nano()) - time.Duration(r.Start)*tick
}

// bootAgain reboots a zone that has ended: now, or later when it has done so
// too often. While it waits, the zone is shutting down, and what an
// administrator asks for comes first.
func (s *server) bootAgain(ctx context.Context, o *operation) error {
	wait := s.restart.ended(lived(&s.machine.Record))
	if wait == 0 {
		return s.reboot(ctx, o, "")
	}
	o.say("ended %d times soon after it was booted; it is booted again in %v", s.restart.early, wait)
	s.machine.Record.Phase = control.PhaseHalting
	s.post(func() { s.restart.at = time.Now().Add(wait) })
	return nil
}

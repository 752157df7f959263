// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zones/internal/boot"
	"zones/internal/brand"
	"zones/internal/control"
	"zones/internal/store"
	"zones/internal/zone"
)

// ready brings the zone up as far as a first process that waits.
func (s *server) ready(ctx context.Context, o *operation, state zone.State) error {
	if state == zone.Ready {
		o.say("zone is already ready")
		return nil
	}
	least := s.least()
	if state.Active() {
		if err := s.halt(ctx, o); err != nil {
			return err
		}
	}
	if err := s.readyUp(ctx, o, least); err != nil {
		return err
	}
	o.notice(false, "Zone readied")
	return nil
}

// claimLimit is how long a boot waits for the zone's lock when others wait for
// the supervisor: one of them may be who has the lock.
const claimLimit = 10 * time.Second

// claim takes the zone's lock for as long as the zone is being made: until its
// first process is there, whoever would move, detach or mark it sees it down. A
// zone of which that was done since the boot was asked for is refused.
func (s *server) claim(ctx context.Context, o *operation, least zone.State) (release func(), err error) {
	op, locked := control.OpBoot, false
	if r := o.request; r != nil {
		op, locked = r.Op, r.Locked
	}
	release = func() {}
	if !locked {
		lock, err := s.lock(ctx, o)
		if err != nil {
			return nil, errors.New("another zoneadm may have an operation in progress.")
		}
		release = func() { _ = lock.Unlock() }
	}
	entry, err := s.store.Lookup(s.name)
	if err == nil && entry.State < least {
		err = invalid(op, entry.State)
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// lock waits for the zone's lock, but not when that could be for ever: while
// others wait, or when whoever asked has gone.
func (s *server) lock(ctx context.Context, o *operation) (*store.Lock, error) {
	for {
		limited, cancel := context.WithTimeout(ctx, claimLimit)
		lock, err := s.store.LockZone(limited, s.name)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || s.waitedFor() || o.request != nil && o.request.Gone() {
			return lock, err
		}
	}
}

// waitedFor reports whether requests wait for the operation's end.
func (s *server) waitedFor() bool {
	waits := make(chan bool, 1)
	s.post(func() { waits <- len(s.pending) > 0 })
	return <-waits
}

// least is what a zone must be when it is made again. One that was booted
// although it is incomplete need not be more than that now.
func (s *server) least() zone.State {
	if entry, err := s.store.Lookup(s.name); err == nil && entry.State == zone.Incomplete && s.machine != nil {
		return zone.Incomplete
	}
	return zone.Installed
}

// planned is the zone as its configuration is now, to be made, if it is at least
// in the state given. Until release it is claimed.
func (s *server) planned(ctx context.Context, o *operation, least zone.State) (m *boot.Machine, release func(), err error) {
	release, err = s.claim(ctx, o, least)
	if err != nil {
		return nil, nil, err
	}
	z, roots, err := s.plan()
	if err != nil {
		release()
		return nil, nil, err
	}
	return &boot.Machine{Spec: z, Roots: roots, Say: o.say, Log: s.log, Done: tracer(), At: s.at}, release, nil
}

// readyUp makes the zone as its configuration is now, if it is at least in the
// state given.
func (s *server) readyUp(ctx context.Context, o *operation, least zone.State) error {
	m, release, err := s.planned(ctx, o, least)
	if err != nil {
		return err
	}
	defer release()
	z := m.Spec
	s.at()
	if err := s.hook(ctx, o, brand.PreStateChange, z.Brand, z.Zonepath, zone.Installed, hookReady); err != nil {
		return err
	}
	if err := s.snapshot(); err != nil {
		return fmt.Errorf("unable to create snapshot: %w", err)
	}
	s.at()
	err = m.Ready(ctx)
	if err == nil {
		s.at()
		if err = s.hook(ctx, o, brand.PostStateChange, z.Brand, z.Zonepath, zone.Ready, hookReady); err != nil {
			err = errors.Join(err, m.Halt(ctx))
		}
	}
	if err != nil {
		s.dropSnapshot()
		return errors.Join(err, s.hook(ctx, o, brand.PostStateChange, z.Brand, z.Zonepath, zone.Installed, hookHalt))
	}
	s.take(m)
	return nil
}

// take hands a machine to the loop.
func (s *server) take(m *boot.Machine) {
	done := make(chan struct{})
	s.post(func() { s.adopt(m); close(done) })
	<-done
}

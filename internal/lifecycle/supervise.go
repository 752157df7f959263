// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"errors"
	"os"

	"zones/internal/cli"
	"zones/internal/control"
	"zones/internal/spec"
	"zones/internal/store"
	"zones/internal/zfs"
	"zones/internal/zone"
)

// Expect starts a supervisor for a zone that is about to be started, if everything
// is in order: it waits until that is known.
func (m *Manager) Expect(name zone.Name) {
	if m.Store.Root() != "" || m.Distrust || m.Inside() || !cli.Privileged() || name == zone.Global {
		return
	}
	if _, err := zone.ParseName(string(name)); err != nil {
		return
	}
	// It has one, as far as can be told at a glance.
	if _, err := os.Lstat(control.Path(name, control.DoorSuffix)); err == nil {
		return
	}
	m.standby = m.starter(name).StandBy(name)
}

// operations is what the supervisor is asked for by each verb that it serves.
var operations = map[zone.Verb]control.Op{
	zone.ReadyUp: control.OpReady, zone.Boot: control.OpBoot, zone.ForceBoot: control.OpForceBoot,
	zone.Reboot: control.OpReboot, zone.Halt: control.OpHalt, zone.Mount: control.OpMount,
	zone.ForceMount: control.OpMount, zone.Unmount: control.OpUnmount,
}

// Start carries out a verb that makes a zone active: it verifies the zone and
// asks its supervisor, with boot arguments if there are any.
func (m *Manager) Start(ctx context.Context, name zone.Name, verb zone.Verb, args string) error {
	// Starting a supervisor takes as long as verifying: side by side, then. One
	// that turns out not to be needed ends by itself.
	supervisor := m.connect(ctx, name)
	verify := func(ctx context.Context) error {
		if verb == zone.Unmount {
			return nil
		}
		err := m.Verify(ctx, name, verb)
		if err != nil {
			supervisor.drop()
		}
		return err
	}
	started := func(context.Context) error {
		<-supervisor.done
		return nil
	}
	do := func(ctx context.Context) error {
		// One that was there already was found without the lock, which whoever
		// moves or detaches the zone now has.
		unlock, err := m.takeLock(ctx, name)
		if err != nil {
			supervisor.drop()
			return err
		}
		unlock()
		return m.use(supervisor, name, func(c *control.Conn) error {
			return c.Do(ctx, operations[verb], args, m.Talk.Relay)
		})
	}
	err := walk(ctx, verb, []step{{"verify", verify}, {"wait for the supervisor", started}, {"have it done", do}})
	if errors.Is(err, errSaid) && verb.Calls() {
		return About("call to zoneadmd failed")
	}
	return err
}

// Halt takes a zone down at once.
func (m *Manager) Halt(ctx context.Context, name zone.Name) error {
	verify := func(ctx context.Context) error { return m.VerifyHook(ctx, name, zone.Halt) }
	do := func(ctx context.Context) error {
		return m.ask(ctx, name, func(c *control.Conn) error {
			return c.Do(ctx, control.OpHalt, "", m.Talk.Relay)
		})
	}
	return walk(ctx, zone.Halt, []step{{"verify", verify}, {"have it done", do}})
}

// Shutdown asks the zone's init to end the zone and waits for that. With again
// it is booted afterwards, with boot arguments.
func (m *Manager) Shutdown(ctx context.Context, name zone.Name, again bool, args string) error {
	return m.ask(ctx, name, func(c *control.Conn) error {
		return c.Shutdown(ctx, again, args, m.Talk.Relay)
	})
}

// ask connects to the zone's supervisor, starting one if need be, and has it
// do something. What it refuses it says itself: the error is errSaid then.
func (m *Manager) ask(ctx context.Context, name zone.Name, do func(*control.Conn) error) error {
	return m.use(m.connect(ctx, name), name, do)
}

// A connecting is a connection to a supervisor that is being made.
type connecting struct {
	done      chan struct{}
	conn      *control.Conn
	recovered bool
	err       error
}

func (m *Manager) connect(ctx context.Context, name zone.Name) *connecting {
	c := &connecting{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		starter := m.starter(name)
		starter.Standby = m.standby
		c.conn, c.recovered, c.err = starter.Connect(ctx, name)
		m.standby.Drop()
	}()
	return c
}

func (m *Manager) starter(name zone.Name) control.Starter {
	// Commands that verification runs meanwhile are not told of this lock: they
	// are no part of what is done under it.
	lock := func(ctx context.Context) (func(), error) { return m.takeLock(ctx, name) }
	return control.Starter{Lock: lock, Group: spec.SupervisorGroup()}
}

// Sweep clears away what a supervisor left that was killed; see control.Starter.
func (m *Manager) Sweep(name zone.Name) {
	if m.Store.Root() == "" {
		m.starter(name).Sweep(name, m.Store.SnapshotFile(name))
	}
}

// Supervised reports whether a supervisor answers for a zone.
func (m *Manager) Supervised(name zone.Name) bool {
	if m.Store.Root() != "" {
		return false
	}
	conn, err := control.Dial(context.Background(), name)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func (c *connecting) drop() {
	<-c.done
	if c.err == nil {
		c.conn.Close()
	}
}

// use is ask with the connection under way.
func (m *Manager) use(c *connecting, name zone.Name, do func(*control.Conn) error) error {
	<-c.done
	conn, recovered, err := c.conn, c.recovered, c.err
	var start *control.StartError
	switch {
	case errors.As(err, &start):
		for _, line := range start.Lines {
			m.Talk.Bare(line)
		}
		m.Talk.Relay("could not start zoneadmd")
		return errSaid
	case err != nil:
		return m.lost(err)
	}
	defer conn.Close()
	conn.Locked = m.locked || store.LockHeld()
	if recovered {
		state, err := m.State(name)
		if err == nil {
			m.Talk.Bare(control.Recovered(name, state))
		}
	}
	return m.lost(do(conn))
}

// lost turns the errors of a request into failures.
func (m *Manager) lost(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, control.ErrFailed):
		return errSaid
	case errors.Is(err, control.ErrLost), errors.Is(err, control.ErrRefused), errors.Is(err, control.ErrNoSupervisor):
		m.Talk.Relay(err.Error())
		return errSaid
	}
	return err
}

// lock takes the zone's lock for a whole operation. Programs that change
// something have it, too: they may go on when this one is killed.
func (m *Manager) lock(ctx context.Context, name zone.Name) (unlock func(), err error) {
	l, err := m.zoneLock(ctx, name)
	if err != nil {
		return nil, err
	}
	release := func() {}
	if m.shared, _ = l.Share(); m.shared != nil {
		release = zfs.Keep(m.shared)
	}
	m.locked = true
	m.dropHalf(name)
	return func() {
		m.locked = false
		release()
		m.shared.Close()
		m.shared = nil
		_ = l.Unlock()
	}, nil
}

func (m *Manager) takeLock(ctx context.Context, name zone.Name) (release func(), err error) {
	l, err := m.zoneLock(ctx, name)
	if err != nil {
		return nil, err
	}
	return func() { _ = l.Unlock() }, nil
}

func (m *Manager) zoneLock(ctx context.Context, name zone.Name) (*store.Lock, error) {
	l, err := m.Store.LockZone(ctx, name)
	switch {
	case err == nil:
		return l, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, About("another zoneadm may have an operation in progress.")
}

// begin locks a zone for a verb and reads it. What the verb needs is checked
// again: another zoneadm may have been waited for.
func (m *Manager) begin(ctx context.Context, name zone.Name, verb zone.Verb) (z *subjectZone, unlock func(), err error) {
	// What waits for a pool that is suspended may have the lock.
	if e, err := m.Store.Lookup(name); err == nil {
		if err := m.answering(e.Path); err != nil {
			return nil, nil, err
		}
	}
	unlock, err = m.lock(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	if z, err = m.load(name); err == nil {
		err = verb.Check(name, z.state)
	}
	if err == nil {
		err = m.answering(z.path(), z.entry.Path)
	}
	if err != nil {
		unlock()
		return nil, nil, err
	}
	return z, unlock, nil
}

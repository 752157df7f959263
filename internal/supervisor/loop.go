// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"zones/internal/control"
	"zones/internal/zone"
)

// serve runs the loop until the supervisor has nothing more to do.
func (s *server) serve() error {
	s.posted = make(chan func(), 16)
	if err := unix.Pipe2(s.wake[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	for {
		if s.idle() {
			if s.exits() {
				return nil
			}
			if !s.watching && !s.fresh && s.watchable() {
				// Comes back only when it could not be done.
				if err := s.watchOn(); err != nil {
					s.log("watch: %v", err)
				}
			}
		}
		if err := s.turn(); err != nil {
			return err
		}
	}
}

// idle reports whether nothing is under way or waiting to be.
func (s *server) idle() bool { return !s.busy && !s.waits() && len(s.posted) == 0 }

// waits reports whether something waits to be done.
func (s *server) waits() bool {
	return len(s.pending) > 0 || len(s.appeared) > 0 && s.restart.at.IsZero()
}

// active reports whether there is a zone to hold.
func (s *server) active() bool { return s.machine != nil || s.watch.keeper != 0 }

// exits reports whether the supervisor can end: no zone, no console's user, no
// client. It then has given up its name, under the zone's lock, so that no
// command can have found it in the meantime.
func (s *server) exits() bool {
	if !s.leave && (s.active() || s.relay.Client >= 0 || len(s.conns) > 0 || s.waiter != nil) {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	lock, err := s.store.LockZone(ctx, s.name)
	if err != nil {
		// A command is starting, or has the zone: it may want us.
		return false
	}
	defer lock.Unlock()
	if fd, err := control.Accept(s.listener); err == nil {
		s.conns = append(s.conns, fd)
		return false
	}
	_ = os.Remove(control.Path(s.name, control.DoorSuffix))
	return true
}

// Places in the set that turn polls.
const (
	pollListener = iota
	pollWake
	pollExit
	pollMaster
	pollClient
	pollUevents
	pollConns
)

// turn waits for something to happen and deals with it.
func (s *server) turn() error {
	master, client := s.relay.Events()
	set := append(s.set[:0], []unix.PollFd{
		pollListener: {Fd: int32(s.listener), Events: unix.POLLIN},
		pollWake:     {Fd: int32(s.wake[0]), Events: unix.POLLIN},
		pollExit:     {Fd: int32(s.exitFD()), Events: unix.POLLIN},
		pollMaster:   {Fd: int32(s.relay.Master), Events: master},
		pollClient:   {Fd: int32(s.relay.Client), Events: client},
		pollUevents:  {Fd: int32(s.uevents), Events: unix.POLLIN},
	}...)
	for _, fd := range s.conns {
		set = append(set, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	s.set = set
	if s.busy {
		// Requests and init's end wait until the operation is over.
		set[pollExit].Fd = -1
	}
	n, err := s.poll(set)
	s.fresh = false
	if err != nil {
		return fmt.Errorf("poll: %w", err)
	}
	late := s.relay.Timeout() == 0
	if n == 0 && s.watching && s.waiter == nil && !late {
		return nil
	}
	s.runPosted()
	if set[pollMaster].Revents != 0 || set[pollClient].Revents != 0 || late {
		if !s.relay.Move(set[pollClient].Revents&unix.POLLHUP != 0) {
			s.disconnect()
		}
	}
	if set[pollListener].Revents != 0 {
		if fd, err := control.Accept(s.listener); err == nil {
			s.conns = append(s.conns, fd)
		}
	}
	if set[pollUevents].Revents != 0 {
		s.volumes()
	}
	for _, p := range set[pollConns:] {
		if p.Revents != 0 {
			s.receive(int(p.Fd))
		}
	}
	if s.waiter != nil && time.Now().After(s.waiter.deadline) {
		s.waiter.request.Line("unable to shutdown zone")
		s.waiter.request.Fail()
		s.conns = append(s.conns, s.waiter.request.FD())
		s.waiter = nil
	}
	if !s.busy {
		s.next(set[pollExit].Revents != 0)
	}
	return nil
}

// answer tells a client that waits for the zone to end that it has, whoever
// ended it. One that is still there gets it booted when that was asked for, if
// it is what it had to be for that.
func (s *server) answer(least zone.State) {
	w := s.waiter
	s.waiter = nil
	switch {
	case w == nil:
	case w.request.Reboot && !w.request.Gone():
		s.pending = append(s.pending, control.Resume(w.request.FD(), control.OpBoot, w.request.Args, least < zone.Installed))
	default:
		w.request.Done()
		s.conns = append(s.conns, w.request.FD())
	}
}

// poll waits for events. In the watching role, when none come for a while, it
// gives memory back and goes on waiting.
func (s *server) poll(set []unix.PollFd) (int, error) {
	wait := s.timeout()
	if s.rester != nil && wait < 0 && !s.rester.rested {
		wait = restAfter
	}
	n, err := unix.Poll(set, wait)
	if errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	if s.rester != nil {
		s.rester.rested = false
		if n == 0 && wait == restAfter {
			s.rester.rest()
		}
	}
	return n, err
}

// timeout is how long a turn may wait, in milliseconds; negative for ever.
func (s *server) timeout() int {
	own, relay := s.ownTimeout(), s.relay.Timeout()
	if own < 0 || relay >= 0 && relay < own {
		return relay
	}
	return own
}

// ownTimeout is timeout but for the console.
func (s *server) ownTimeout() int {
	switch {
	case s.fresh, !s.busy && s.waits():
		return 0
	case s.waiter != nil:
		return int(max(time.Until(s.waiter.deadline)/time.Millisecond+1, 0))
	case s.busy:
		return -1
	case !s.restart.at.IsZero():
		return int(max(time.Until(s.restart.at)/time.Millisecond+1, 0))
	case !s.active() && s.relay.Client < 0:
		return 100 // until the lock can be had, to end
	}
	return -1
}

func (s *server) exitFD() int {
	switch {
	case !s.restart.at.IsZero():
		return -1 // it has ended
	case s.watching:
		return s.watch.exit
	case s.machine != nil && s.machine.Keeper != nil:
		return int(s.machine.Keeper.ExitFD().Fd())
	}
	return -1
}

// post has the loop run f; for the goroutine of an operation.
func (s *server) post(f func()) {
	s.posted <- f
	_, _ = unix.Write(s.wake[1], []byte{0})
}

func (s *server) runPosted() {
	var b [64]byte
	_, _ = unix.Read(s.wake[0], b[:])
	for {
		select {
		case f := <-s.posted:
			f()
		default:
			return
		}
	}
}

func (s *server) dropConn(fd int) {
	for i, c := range s.conns {
		if c == fd {
			s.conns = append(s.conns[:i], s.conns[i+1:]...)
			return
		}
	}
}

// receive takes a request from a connection, or the connection's end.
func (s *server) receive(fd int) {
	r, err := control.Receive(fd)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return
	}
	if err != nil {
		s.dropConn(fd)
		unix.Close(fd)
		return
	}
	switch r.Op {
	case control.OpPing:
		r.Done()
	case control.OpConsole:
		s.connect(r)
	default:
		s.dropConn(fd)
		s.pending = append(s.pending, r)
	}
}

// connect gives the console to a client that asks for it, unless another has
// it. The client's end is a stream of its own.
func (s *server) connect(r *control.Request) {
	if s.relay.Client >= 0 {
		r.Busy(s.client.pid)
		return
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		r.Line(err.Error())
		r.Fail()
		return
	}
	s.relay.Client = ends[0]
	s.client = clientState{r.PeerPID, r.UntilHalt}
	r.Done(ends[1])
	unix.Close(ends[1])
}

// disconnect ends the stream of the console's client.
func (s *server) disconnect() {
	if s.relay.Client >= 0 {
		unix.Close(s.relay.Client)
		s.relay.Client = -1
		s.relay.Forget()
	}
}

// notice tells the console's user what happens to the zone. One who asked to
// be disconnected when it ends is, if last.
func (s *server) notice(last bool, format string, args ...any) {
	text := "NOTICE: " + fmt.Sprintf(format, args...)
	if last && s.client.untilHalt && s.relay.Client >= 0 {
		s.relay.Notice(text + ".  Disconnecting...")
		s.disconnect()
		return
	}
	s.relay.Notice(text)
}

// next begins what is to be done: the end of init first, as requests that
// came meanwhile are about a zone that has ended.
func (s *server) next(exited bool) {
	var r *control.Request
	if !exited {
		if r = s.chosen(); r == nil && !s.restart.due() {
			return
		}
	}
	if s.watching {
		s.work()
	}
	s.busy = true
	switch {
	case exited:
		go s.carry(nil, s.ended)
	case r == nil:
		go s.carry(nil, func(ctx context.Context, o *operation) error { return s.reboot(ctx, o, "") })
	default:
		go s.carry(r, func(ctx context.Context, o *operation) error { return s.perform(ctx, o, r) })
	}
}

// carry runs an operation beside the loop and answers its client.
func (s *server) carry(r *control.Request, work func(context.Context, *operation) error) {
	o := &operation{server: s, request: r}
	s.begins(opEnd)
	if r != nil {
		s.begins(r.Op)
	}
	s.at()
	err := work(context.Background(), o)
	if err != nil && !errors.Is(err, errSaid) {
		for _, line := range lines(err) {
			o.say("%s", line)
		}
	}
	s.post(func() {
		s.busy = false
		switch {
		case r == nil || o.waits || r.FD() < 0:
			return
		case err != nil:
			r.Fail()
		default:
			r.Done()
		}
		s.conns = append(s.conns, r.FD())
	})
}

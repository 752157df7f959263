// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zones/internal/brand"
	"zones/internal/control"
	"zones/internal/entrypoint"
	"zones/internal/nsexec"
	"zones/internal/spec"
	"zones/internal/zone"
)

// errSaid is a failure whose reasons the client has been told.
var errSaid = errors.New("reasons were given")

// operation is one thing being done, and for whom: nil when the zone itself,
// or its end, asked for it.
type operation struct {
	server  *server
	request *control.Request
	waits   bool // the client is answered later
}

// say tells the client, or the log when there is none.
func (o *operation) say(format string, args ...any) {
	if o.request != nil {
		o.request.Line(fmt.Sprintf(format, args...))
		return
	}
	o.server.log(format, args...)
}

func (o *operation) notice(last bool, format string, args ...any) {
	o.server.post(func() { o.server.notice(last, format, args...) })
}

// lines are the single errors of a joined one, a line each. A system error at
// the end is worded as the C library does, which programs know.
func lines(err error) []string {
	all := strings.Split(fmt.Sprint(err), "\n")
	var number syscall.Errno
	if !errors.As(err, &number) {
		return all
	}
	text := number.Error()
	for i, line := range all {
		if before, ok := strings.CutSuffix(line, text); ok {
			all[i] = before + strings.ToUpper(text[:1]) + text[1:]
		}
	}
	return all
}

func invalid(op control.Op, state zone.State) error {
	return fmt.Errorf("%s operation is invalid for zones in state '%v'", op, state)
}

// perform does what a client asks for.
func (s *server) perform(ctx context.Context, o *operation, r *control.Request) error {
	state := s.state()
	if r.Op == opVolume {
		if s.machine == nil {
			return nil
		}
		o.request = nil
		return s.addVolume(ctx, r.Args)
	}
	if r.Op == control.OpMount {
		return s.mount(ctx, o, r.Op, state)
	}
	if r.Op == control.OpUnmount {
		return s.unmount(ctx, o, state)
	}
	if state == zone.Mounted && r.Op != control.OpUninstall {
		return invalid(r.Op, state)
	}
	// zoneadm looks first, but the zone may have been detached since.
	least := zone.Installed
	if r.Op == control.OpForceBoot || r.Op == control.OpBoot && r.Reboot {
		least = zone.Incomplete
	}
	if state < least && r.Op != control.OpUninstall {
		return invalid(r.Op, state)
	}
	switch r.Op {
	case control.OpReady:
		return s.ready(ctx, o, state)
	case control.OpBoot:
		if state >= zone.Running {
			o.say("zone is already booted")
			return nil
		}
		return s.boot(ctx, o, r.Args, least)
	case control.OpForceBoot:
		if state.Active() {
			return errSaid
		}
		return s.boot(ctx, o, r.Args, least)
	case control.OpHalt:
		if !state.Active() {
			o.say("zone is already halted")
			return nil
		}
		return s.halt(ctx, o)
	case control.OpReboot:
		// One that ended before it had a supervisor again is booted anew.
		if state == zone.Ready {
			return invalid(r.Op, state)
		}
		return s.reboot(ctx, o, r.Args)
	case control.OpShutdown:
		return s.shutdown(ctx, o, r, state)
	case control.OpUninstall:
		if state.Active() {
			// It was booted since zoneadm looked, and needs its supervisor.
			return invalid(r.Op, state)
		}
		s.post(func() {
			s.notice(false, "Zone is being uninstalled.  Disconnecting...")
			s.disconnect()
			s.leave = true
		})
		return nil
	}
	return fmt.Errorf("%s operation is not supported", r.Op)
}

// boot brings the zone up from ready, or from installed, or what else it is to
// be at least.
func (s *server) boot(ctx context.Context, o *operation, args string, least zone.State) error {
	switch {
	case s.machine == nil:
		o.notice(false, "Zone booting up")
		if err := s.readyUp(ctx, o, least); err != nil {
			o.notice(true, "Zone boot failed")
			return err
		}
	case args != "":
		o.notice(false, "Zone booting up with arguments: %s", args)
	default:
		o.notice(false, "Zone booting up")
	}
	if err := s.start(ctx, o, args); err != nil {
		err = errors.Join(err, s.takeDown(ctx, o))
		o.notice(true, "Zone boot failed")
		return err
	}
	return nil
}

// start lets init run.
func (s *server) start(ctx context.Context, o *operation, args string) error {
	if args == "" {
		args = s.bootArgs()
	}
	a := spec.ParseBootArgs(args)
	if len(a.Unused) > 0 {
		o.say("WARNING: Unused or invalid boot arguments `%s'.", strings.Join(a.Unused, " "))
	}
	if odd := append(a.Invalid, a.Unused...); len(odd) > 0 {
		// Two blanks, as programs that watch a console know it.
		text := "WARNING: Ignoring invalid boot arguments:  " + strings.Join(odd, " ")
		s.post(func() { s.relay.Notice(text) })
	}
	r := &s.machine.Record
	r.Args = args
	for _, h := range []brand.Hook{brand.PreStateChange, brand.Boot} {
		if err := s.hook(ctx, o, h, r.Brand, r.Zonepath, zone.Ready, hookBoot); err != nil {
			return err
		}
	}
	s.at()
	if err := s.machine.Start(ctx, a); err != nil {
		return err
	}
	s.at()
	return s.hook(ctx, o, brand.PostStateChange, r.Brand, r.Zonepath, zone.Running, hookBoot)
}

// halt takes the zone down, and says so.
func (s *server) halt(ctx context.Context, o *operation) error {
	err := s.takeDown(ctx, o)
	if err == nil {
		o.notice(true, "Zone halted")
	}
	return err
}

// takeDown takes the zone down, whatever it is doing.
func (s *server) takeDown(ctx context.Context, o *operation) error {
	m := s.machine
	if m == nil {
		return nil
	}
	r, least := m.Record, s.least()
	if err := s.hook(ctx, o, brand.PreStateChange, r.Brand, r.Zonepath, s.state(), hookHalt); err != nil {
		return err
	}
	s.at()
	s.drop()
	if err := m.Halt(ctx); err != nil {
		s.post(func() { s.machine = m })
		return errors.Join(err, s.waitsFor(), errors.New("unable to destroy zone"))
	}
	s.at()
	s.dropSnapshot()
	s.at()
	for _, h := range []brand.Hook{brand.Halt, brand.PostStateChange} {
		if err := s.hook(ctx, o, h, r.Brand, r.Zonepath, zone.Installed, hookHalt); err != nil {
			o.say("%v", err)
		}
	}
	s.post(func() { s.answer(least) })
	return nil
}

// drop takes the machine from the loop: its descriptors are about to go.
func (s *server) drop() {
	done := make(chan struct{})
	s.post(func() {
		if s.uevents >= 0 {
			unix.Close(s.uevents)
			s.uevents = -1
		}
		// What the zone said last is still in the terminal.
		s.relay.Move(false)
		s.relay.Master = -1
		s.machine, s.appeared = nil, nil
		s.restart.at = time.Time{}
		s.relay.Forget()
		close(done)
	})
	<-done
}

func (s *server) reboot(ctx context.Context, o *operation, args string) error {
	if args == "" {
		o.notice(false, "Zone rebooting")
	} else {
		o.notice(false, "Zone rebooting with arguments: %s", args)
	}
	least := s.least()
	if err := s.takeDown(ctx, o); err != nil {
		return err
	}
	err := s.readyUp(ctx, o, least)
	if err == nil {
		if err = s.start(ctx, o, args); err != nil {
			err = errors.Join(err, s.takeDown(ctx, o))
		}
	}
	if err != nil {
		o.notice(true, "Zone boot failed")
	}
	return err
}

// ended deals with the end of the first process: what reboot(2) inside asked
// for, or init's death.
func (s *server) ended(ctx context.Context, o *operation) error {
	status, err := s.machine.Keeper.ExitStatus(ctx)
	again := err == nil && status.Signaled() && status.Signal() == syscall.SIGHUP
	asked := again || err == nil && status.Signaled() && status.Signal() == syscall.SIGINT
	if s.machine.Record.Phase == control.PhaseHalting {
		// A halt that was cut off killed it.
		again, asked = false, true
	}
	if !asked {
		o.say("init ended (%s)", describe(status, err))
		again = s.restarts(err == nil && status.Exited() && status.ExitStatus() == 0)
	}
	w := s.takeWaiter()
	if again && w == nil {
		return s.bootAgain(ctx, o)
	}
	least := s.least()
	err = s.halt(ctx, o)
	if w == nil {
		return err
	}
	o.request = w.request
	if err == nil && w.request.Reboot {
		err = s.boot(ctx, o, w.request.Args, least)
	}
	r := w.request
	s.post(func() {
		if err != nil {
			for _, line := range lines(err) {
				r.Line(line)
			}
			r.Fail()
		} else {
			r.Done()
		}
		s.conns = append(s.conns, r.FD())
	})
	return nil
}

func describe(status syscall.WaitStatus, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case status.Signaled():
		return "killed by signal " + status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

func (s *server) takeWaiter() *waiter {
	got := make(chan *waiter)
	s.post(func() {
		w := s.waiter
		s.waiter = nil
		got <- w
	})
	return <-got
}

// shutdownCommands end a zone in order, the first that works; what a brand
// names comes before them.
var shutdownCommands = []string{"/sbin/init 0", "/sbin/poweroff"}

// shutdown asks the zone's init to end the zone. The client is answered when
// it has ended, or has taken too long.
func (s *server) shutdown(ctx context.Context, o *operation, r *control.Request, state zone.State) error {
	switch {
	case state == zone.ShuttingDown || state == zone.Down:
		return errors.New("unable to shutdown zone")
	case state != zone.Running:
		return invalid(r.Op, state)
	case s.waiter != nil:
		return errors.New("shutdown already in progress")
	}
	// What is begun in the zone might wait for its pool, and could not be ended.
	if err := s.waitsFor(); err != nil {
		return errors.Join(err, errors.New("unable to shutdown zone"))
	}
	if s.machine.Record.Init == spec.EntrypointInit {
		return s.signal(o, r)
	}
	commands := shutdownCommands
	if b, err := brand.Find("/", s.machine.Record.Brand); err == nil {
		if text, ok := b.Hook(brand.Shutdown, string(s.name), s.machine.Record.Zonepath); ok {
			commands = []string{text}
		}
	}
	var errs []error
	for _, command := range commands {
		err := s.inside(ctx, command)
		if err == nil {
			s.wait(o, r)
			return nil
		}
		errs = append(errs, err)
	}
	s.log("%v", errors.Join(errs...))
	return errors.New("unable to shutdown zone")
}

// wait has the client answered when the zone has ended.
func (s *server) wait(o *operation, r *control.Request) {
	o.waits = true
	s.post(func() { s.waiter = &waiter{r, time.Now().Add(shutdownLimit)} })
}

// signal asks the program of an image to end, in the way that the image says.
func (s *server) signal(o *operation, r *control.Request) error {
	e, err := entrypoint.Load(s.machine.Record.Zonepath)
	if err == nil {
		var pidfd *os.File
		if pidfd, err = s.machine.Record.PIDFD(); err == nil {
			defer pidfd.Close()
			err = unix.PidfdSendSignal(int(pidfd.Fd()), e.Signal(), nil, 0)
		}
	}
	if err != nil {
		s.log("%v", err)
		return errors.New("unable to shutdown zone")
	}
	s.wait(o, r)
	return nil
}

// inside runs a command in the zone as its root and waits for it.
func (s *server) inside(ctx context.Context, command string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	r := &s.machine.Record
	pidfd, err := r.PIDFD()
	if err != nil {
		return err
	}
	defer pidfd.Close()
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	words := strings.Fields(command)
	e := &nsexec.Enter{Target: pidfd, Path: words[0], Argv: words, Env: r.Env, Stdin: null, Stdout: null, Stderr: null,
		Limits: nsexec.Limits{Caps: r.CapsKept, Seccomp: nsexec.SeccompFilter()}}
	for _, text := range r.Rlimits {
		if l, err := nsexec.ParseRlimit(text); err == nil {
			e.Limits.Rlimits = append(e.Limits.Rlimits, l)
		}
	}
	var child *nsexec.Child
	err = r.InGroup(func(group *os.File) (err error) {
		e.Cgroup = group
		child, err = e.Start(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	defer child.Close()
	status, err := child.WaitFor(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	// The command may be among the first to be killed by what it asked for.
	if status.Signaled() || status.ExitStatus() == 0 {
		return nil
	}
	return fmt.Errorf("%s: exit status %d", command, status.ExitStatus())
}

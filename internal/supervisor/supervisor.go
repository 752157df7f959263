// SPDX-License-Identifier: Apache-2.0

// Package supervisor is the process that owns a running zone: it serves the
// zone's control socket and console, boots and halts on request, and does what
// reboot(2) and the end of init inside ask for.
//
// It has two roles. The working role carries operations out. When there is
// nothing to do it executes itself again in the watching role, which holds the
// descriptors and waits in poll(2), with next to no memory, until there is
// something to do. To the watching role go the descriptors and a page of text:
// see handover.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"zones/internal/boot"
	"zones/internal/cgroup"
	"zones/internal/console"
	"zones/internal/control"
	"zones/internal/nsexec"
	"zones/internal/spec"
	"zones/internal/store"
	"zones/internal/zone"
)

// A RefusedError is a zone that no supervisor is for; the text is for people.
type RefusedError struct{ Text string }

func (e *RefusedError) Error() string { return e.Text }

// shutdownLimit is how long an orderly shutdown may take.
const shutdownLimit = 100 * time.Second

// recoverLimit is how long to clean up may take before the supervisor listens:
// a command waits for it, and halting can be asked for with more patience.
const recoverLimit = 5 * time.Second

// server is a supervisor in either role.
type server struct {
	name     zone.Name
	store    *store.Store
	listener int
	conns    []int // connections without a request
	pending  []*control.Request
	relay    console.Relay
	client   clientState
	waiter   *waiter // a shutdown that waits for the zone to end
	restart  restart
	machine  *boot.Machine
	watching bool // the watching role
	fresh    bool // executed just now: the first turn does not wait
	watch    watched
	rester   *rester // of the watching role
	uevents  int     // the kernel's announcements of devices, or -1
	// doing and place say where the supervisor is, for tests that cut it off.
	doing control.Op
	place int
	// volumesWanted says that the zone has nodes of the volumes it creates.
	volumesWanted bool
	appeared      []string // devices of volumes that have appeared since

	wake   [2]int        // pipe: something has been posted
	posted chan func()   // to be run by the loop
	set    []unix.PollFd // of the last turn, for the next to use again
	busy   bool          // an operation is being carried out
	leave  bool          // the supervisor is to end
}

// clientState is about who has the console.
type clientState struct {
	pid       int
	untilHalt bool
}

// waiter is a client that asked for a shutdown.
type waiter struct {
	request  *control.Request
	deadline time.Time
}

// Run is a supervisor's whole life, from its start by a command to its exit.
// started is called once it listens, or never.
func Run(name zone.Name, started func()) error {
	outlive()
	s := &server{name: name, store: store.Open(""), listener: -1, uevents: -1, relay: console.Relay{Master: -1, Client: -1}}
	if err := s.check(); err != nil {
		return err
	}
	s.settle()
	if err := s.recover(); err != nil {
		return err
	}
	fd, err := control.Listen(name)
	if err != nil {
		return err
	}
	s.listener = fd
	started()
	return s.serve()
}

// outlive has the process live through what ends others. The signals are caught,
// not ignored: what a brand and a check of a file system run must not inherit it.
func outlive() {
	signal.Notify(make(chan os.Signal, 1), Signals...)
}

// Signals are those that do not end a supervisor.
var Signals = []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGPIPE, unix.SIGTERM}

// check refuses zones that are not to be managed.
func (s *server) check() error {
	if s.name == zone.Global {
		return &RefusedError{"cannot manage the global zone"}
	}
	if os.Geteuid() != 0 {
		return &RefusedError{"You lack sufficient privilege to run this command (all privs required)"}
	}
	entry, err := s.store.Lookup(s.name)
	var refused error
	switch {
	case errors.Is(err, store.ErrNoZone):
		refused = &RefusedError{fmt.Sprintf("could not manage %s: %s", s.name, store.Reason(err))}
	case err != nil:
		refused = &RefusedError{fmt.Sprintf("could not manage %s: %v", s.name, err)}
	case entry.State == zone.Configured:
		refused = &RefusedError{fmt.Sprintf("cannot manage a zone which is in state '%v'", entry.State)}
	}
	if refused != nil {
		// What the kernel has must be halted, whatever became of the index.
		if _, _, err := control.Status(s.name); err != nil {
			return refused
		}
	}
	// Commands look for one before they start another; people may not.
	c, err := control.Dial(context.Background(), s.name)
	if err == nil {
		c.Close()
		return &RefusedError{fmt.Sprintf("zoneadmd is running already for zone %s", s.name)}
	}
	if !errors.Is(err, control.ErrNoSupervisor) {
		return err
	}
	return nil
}

// settle makes the process independent of who started it: no zone's memory is
// taken from it, no session's end is its own, and no limits of somebody's shell.
func (s *server) settle() {
	for _, l := range nsexec.BaseRlimits() {
		_ = unix.Prlimit(0, l.Resource, &unix.Rlimit{Cur: l.Soft, Max: l.Hard}, nil)
	}
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-900"), 0)
	if group := spec.SupervisorGroup(); group != "" {
		_ = cgroup.Enter(group)
	}
	unix.Umask(0o022)
}

// recover takes over what an earlier supervisor left: a zone that runs, one
// that ended while nobody looked, or the remains of a boot.
func (s *server) recover() error {
	record, err := control.Load(s.name)
	if err != nil {
		// Lost or damaged: the kernel still knows the zone by its cgroup.
		record = s.guess()
		if !control.HasGroup(s.name) && errors.Is(err, control.ErrNotActive) {
			return nil
		}
	}
	if !record.Alive() {
		// The zone may have ended; or the record is wrong about its processes.
		if g := s.guess(); g.Keeper != 0 {
			record.PID, record.Start, record.Keeper, record.KStart = g.PID, g.Start, g.Keeper, g.KStart
		}
	}
	m, err := boot.Adopt(record)
	if err == nil && (record.Alive() || told(m)) {
		s.adopt(m)
		if s.volumesWanted {
			s.appears(anyVolume)
		}
		// The file may have been lost, and users other than root have no other.
		_ = m.Record.Save()
		return nil
	}
	m.Done = tracer()
	scratch := m.Record.Phase == control.PhaseMounted
	m.Record.Phase = control.PhaseHalting
	ctx, cancel := context.WithTimeout(context.Background(), recoverLimit)
	defer cancel()
	if err := m.Halt(ctx); err != nil {
		s.log("clean up: %v", err)
		// Still there, and halt can be asked for again.
		s.machine = m
		return nil
	}
	s.dropSnapshot()
	if scratch {
		if err := clearScratch(filepath.Join(m.Record.Zonepath, scratchRoot)); err != nil {
			s.log("clean up: %v", err)
		}
	}
	return nil
}

// told reports whether the keeper still has to say how the first process
// ended. Whoever was told may have died before he had done what follows.
func told(m *boot.Machine) bool {
	set := []unix.PollFd{{Fd: int32(m.Keeper.ExitFD().Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(set, 1000)
	for errors.Is(err, unix.EINTR) {
		n, err = unix.Poll(set, 1000)
	}
	return err == nil && n == 1 && set[0].Revents&unix.POLLIN != 0
}

// guess is a record good enough to halt a zone by: the keeper is the parent of
// a process in the zone's cgroup.
func (s *server) guess() *control.Record {
	r := &control.Record{Name: s.name, Boot: control.BootID(), Phase: control.PhaseDown, Cgroup: control.GroupOf(s.name)}
	pids, _ := cgroup.Processes(r.Cgroup)
	for _, pid := range pids {
		keeper := parent(pid)
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", keeper)); err != nil || string(comm) != nsexec.KeeperName+"\n" {
			continue
		}
		r.PID, r.Keeper = pid, keeper
		r.Start, _, _ = control.StartTime(pid)
		r.KStart, _, _ = control.StartTime(keeper)
		break
	}
	return r
}

// parent is the parent of a process, 0 when there is none.
func parent(pid int) int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(data), "\n") {
		if text, ok := strings.CutPrefix(line, "PPid:"); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(text))
			return n
		}
	}
	return 0
}

func (s *server) adopt(m *boot.Machine) {
	s.machine = m
	m.Done, m.At = tracer(), s.at
	if m.Spec == nil {
		// Adopted, and not planned by this process.
		c, _, err := s.store.Load(s.name)
		s.volumesWanted = err == nil && wantsVolumes(c)
	}
	if s.uevents < 0 && s.volumesWanted {
		s.uevents = listenVolumes()
	}
	if m.Term != nil {
		s.relay.Master = int(m.Term.Master.Fd())
		_ = unix.SetNonblock(s.relay.Master, true)
	}
}

// state is where the zone stands, from the supervisor's point of view.
func (s *server) state() zone.State {
	if s.machine == nil {
		entry, err := s.store.Lookup(s.name)
		if err != nil {
			return zone.Installed
		}
		return entry.State
	}
	switch s.machine.Record.Phase {
	case control.PhaseReady:
		return zone.Ready
	case control.PhaseRunning:
		return zone.Running
	case control.PhaseMounted:
		return zone.Mounted
	case control.PhaseHalting:
		return zone.ShuttingDown
	}
	return zone.Down
}

// log says something that no client is there for.
func (s *server) log(format string, args ...any) {
	text := fmt.Sprintf("<27>zoneadmd[%d]: [zone '%s'] %s", os.Getpid(), s.name, fmt.Sprintf(format, args...))
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	_ = unix.Sendto(fd, []byte(text), 0, &unix.SockaddrUnix{Name: "/dev/log"})
}

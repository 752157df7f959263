// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"zones/internal/boot"
	"zones/internal/console"
	"zones/internal/control"
	"zones/internal/delegns"
	"zones/internal/nsexec"
	"zones/internal/store"
	"zones/internal/zone"
)

// WatchFlag tells a supervisor that it is executed again to watch; the number
// of the descriptor that the handover is read from follows.
const WatchFlag = "--watch"

// watched is what the watching role knows of the zone: descriptors.
type watched struct {
	keeper, init                int // processes
	goes, exit, status, pidfd   int
	master, slave, delegns, net int
}

// watchable reports whether the zone is in a state that can be watched: what
// could not be halted keeps its supervisor as it is.
func (s *server) watchable() bool {
	m := s.machine
	if m == nil {
		return false
	}
	return s.restart.at.IsZero() && m.Keeper != nil && m.Term != nil && m.NS != nil &&
		m.Record.Phase != control.PhaseHalting && m.Record.Phase != control.PhaseDown
}

// watchOn executes the program again in the watching role. It returns only when
// that fails, and the supervisor then is what it was.
func (s *server) watchOn() error {
	s.watch = s.toWatch()
	text := s.encode()
	fd, err := unix.MemfdCreate("handover", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("hand over: %w", err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(text)); err != nil {
		return fmt.Errorf("hand over: %w", err)
	}
	if _, err := unix.Seek(fd, 0, io.SeekStart); err != nil {
		return fmt.Errorf("hand over: %w", err)
	}
	kept := append(s.descriptors(), fd)
	for _, k := range kept {
		_, _ = unix.FcntlInt(uintptr(k), unix.F_SETFD, 0)
	}
	hugePages(false)
	signal.Ignore(Signals...) // as caught they would end us until Watch runs
	argv := []string{"zoneadmd", "-z", string(s.name), WatchFlag, strconv.Itoa(fd)}
	err = unix.Exec("/proc/self/exe", argv, environment())
	hugePages(true)
	outlive()
	for _, k := range kept {
		_, _ = unix.FcntlInt(uintptr(k), unix.F_SETFD, unix.FD_CLOEXEC)
	}
	return fmt.Errorf("hand over: %w", err)
}

// watchMemory is where what the watching role has allocated bit by bit, for
// those who come and go at the console, is collected after all.
const watchMemory = 8 << 20

// environment of the watching role, which has no use for threads that collect
// what it hardly allocates.
func environment() []string {
	env := []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "GOMAXPROCS=1", "GOGC=off",
		"GOMEMLIMIT=" + strconv.Itoa(watchMemory), "GODEBUG=madvdontneed=1"}
	env = append(env, control.TestEnv()...)
	return env
}

func (s *server) toWatch() watched {
	m := s.machine
	files := m.Keeper.Files()
	number := func(f *os.File) int {
		if f == nil {
			return -1
		}
		return int(f.Fd())
	}
	w := watched{keeper: m.Keeper.PID, init: m.Keeper.InitPID, goes: number(files[0]), exit: number(files[1]),
		status: number(files[2]), pidfd: number(files[3]), master: number(m.Term.Master), slave: number(m.Term.Slave),
		delegns: number(m.NS.File()), net: number(m.Netns)}
	return w
}

func (w *watched) fields() []*int {
	return []*int{&w.keeper, &w.init, &w.goes, &w.exit, &w.status, &w.pidfd, &w.master, &w.slave, &w.delegns, &w.net}
}

func (s *server) descriptors() []int {
	fds := []int{s.listener, s.uevents}
	for _, f := range s.watch.fields()[2:] {
		fds = append(fds, *f)
	}
	fds = append(append(fds, s.relay.Client), s.conns...)
	if s.waiter != nil {
		fds = append(fds, s.waiter.request.FD())
	}
	var open []int
	for _, fd := range fds {
		if fd >= 0 {
			open = append(open, fd)
		}
	}
	return open
}

// encode is the page of text: a word and its values on each line.
func (s *server) encode() string {
	var b strings.Builder
	put := func(word string, values ...any) {
		b.WriteString(word)
		for _, v := range values {
			fmt.Fprintf(&b, "\t%v", v)
		}
		b.WriteByte('\n')
	}
	put("zone", s.name)
	put("listener", s.listener)
	put("uevents", s.uevents)
	watch := []any{}
	for _, f := range s.watch.fields() {
		watch = append(watch, *f)
	}
	put("watch", watch...)
	put("early", s.restart.early)
	put("client", s.relay.Client, s.client.pid, s.client.untilHalt)
	if typed := s.relay.Kept(); len(typed) > 0 {
		put("typed", strconv.Quote(string(typed)))
	}
	if said := s.relay.Held(); len(said) > 0 {
		put("said", strconv.Quote(string(said)))
	}
	for _, fd := range s.conns {
		put("conn", fd)
	}
	if w := s.waiter; w != nil {
		put("waiter", w.request.FD(), strconv.Quote(w.request.Args), w.request.Reboot, w.deadline.UnixMilli())
	}
	return b.String()
}

// Watch goes on in the watching role, with what the descriptor says.
func Watch(fd int) error {
	data, err := io.ReadAll(os.NewFile(uintptr(fd), "handover"))
	if err != nil {
		return fmt.Errorf("take over: %w", err)
	}
	s := &server{store: store.Open(""), listener: -1, uevents: -1, relay: console.Relay{Master: -1, Client: -1}, watching: true, fresh: true}
	for _, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		if err := s.decode(strings.Split(line, "\t")); err != nil {
			return fmt.Errorf("take over: %q: %w", line, err)
		}
	}
	for _, fd := range s.descriptors() {
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
	}
	s.relay.Master = s.watch.master
	// Blocking belongs to none of what poll is waited in for.
	for _, fd := range []int{s.watch.master, s.relay.Client} {
		if fd >= 0 {
			_ = unix.SetNonblock(fd, true)
		}
	}
	s.rester = newRester()
	return s.serve()
}

// work goes on in the working role. Memory is what that takes; the next exec
// gives it back.
func (s *server) work() {
	outlive()
	debug.SetGCPercent(100)
	debug.SetMemoryLimit(math.MaxInt64)
	runtime.GOMAXPROCS(runtime.NumCPU())
	s.watching, s.rester = false, nil
	s.restore()
}

func (s *server) decode(f []string) error {
	number := func(i int) int {
		if i >= len(f) {
			return -1
		}
		n, err := strconv.Atoi(f[i])
		if err != nil {
			return -1
		}
		return n
	}
	text := func(i int) string {
		if i >= len(f) {
			return ""
		}
		t, err := strconv.Unquote(f[i])
		if err != nil {
			return f[i]
		}
		return t
	}
	switch f[0] {
	case "zone":
		name, err := zone.ParseName(text(1))
		s.name = name
		return err
	case "listener":
		s.listener = number(1)
	case "uevents":
		s.uevents = number(1)
	case "watch":
		for i, p := range s.watch.fields() {
			*p = number(i + 1)
		}
	case "early":
		s.restart.early = number(1)
	case "client":
		s.relay.Client = number(1)
		s.client = clientState{number(2), text(3) == "true"}
	case "typed":
		s.relay.Keep([]byte(text(1)))
	case "said":
		s.relay.Hold([]byte(text(1)))
	case "conn":
		s.conns = append(s.conns, number(1))
	case "waiter":
		ms, err := strconv.ParseInt(text(4), 10, 64)
		s.waiter = &waiter{control.Resume(number(1), control.OpShutdown, text(2), text(3) == "true"), time.UnixMilli(ms)}
		return err
	}
	return nil
}

// restore makes a machine of what the watching role held.
func (s *server) restore() {
	record, err := control.Load(s.name)
	if err != nil {
		record = s.guess()
		record.Keeper, record.PID = s.watch.keeper, s.watch.init
		record.KStart, _, _ = control.StartTime(record.Keeper)
		record.Start, _, _ = control.StartTime(record.PID)
		record.Phase = control.PhaseRunning
		s.log("the record of the zone was lost or damaged: %v", err)
	}
	w := s.watch
	file := func(fd int, name string) *os.File {
		if fd < 0 {
			return nil
		}
		return os.NewFile(uintptr(fd), name)
	}
	for _, fd := range []int{w.exit, w.status} {
		_ = unix.SetNonblock(fd, true)
	}
	m := &boot.Machine{Record: *record}
	m.Keeper = nsexec.FromFiles(w.keeper, w.init, record.KeeperFDs,
		[]*os.File{file(w.goes, "go"), file(w.exit, "exit"), file(w.status, "status"), file(w.pidfd, "pidfd")})
	m.Term = &console.Terminal{Master: file(w.master, "console"), Slave: file(w.slave, "console")}
	m.Netns = file(w.net, "net")
	if m.NS, err = delegns.FromFile(file(w.delegns, "delegns")); err != nil {
		s.log("delegation namespace: %v", err)
		m.NS = nil
	}
	s.adopt(m)
	s.watch = watched{}
}

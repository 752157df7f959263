// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zones/tests/vm/wire"
)

// Exit statuses of a command that could not be started, as a shell has them.
const (
	exitNotRunnable = 126
	exitNotFound    = 127
	exitSignal      = 128 // and the signal's number
)

// outputGrace is how long, after the command has ended, processes that it left
// behind may still hold its output before the run goes on without them.
const outputGrace = 2 * time.Second

// command runs the job and returns its exit status. Only failures of the
// machine, not of the command, are errors.
func command(job wire.Job, port *os.File, say *reporter, notes []string) (int, error) {
	frames := wire.NewFrameWriter(port)
	env := append([]string{"PATH=" + searchPath, "HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/bash",
		"LANG=C.UTF-8", "TERM=linux"}, job.Env...)
	path, err := exec.LookPath(job.Argv[0])
	if err != nil {
		fmt.Fprintf(frames.As(wire.Stderr), "tests/vm/run: %v\n", err)
		status := exitNotFound
		if errors.Is(err, os.ErrPermission) {
			status = exitNotRunnable
		}
		return status, errors.Join(say.report(wire.Report{Started: true, Notes: notes}), frames.Write(wire.OutputEnd, nil))
	}
	streams, err := openStreams(job)
	if err != nil {
		return 0, err
	}
	if err := say.report(wire.Report{Started: true, Notes: notes}); err != nil {
		return 0, err
	}
	go say.beat()
	pid, err := syscall.ForkExec(path, job.Argv, &syscall.ProcAttr{
		Dir: "/root", Env: env, Files: streams.child(),
		Sys: &syscall.SysProcAttr{Setsid: true, Setctty: job.TTY, Ctty: 0},
	})
	streams.closeChild()
	if err != nil {
		fmt.Fprintf(frames.As(wire.Stderr), "tests/vm/run: %s: %v\n", path, err)
		return exitNotRunnable, frames.Write(wire.OutputEnd, nil)
	}
	go streams.feed(port)
	done := streams.drain(frames)
	status := reapUntil(pid)
	select {
	case <-done:
	case <-time.After(outputGrace):
		killAll()
		<-done
	}
	return status, frames.Write(wire.OutputEnd, nil)
}

// reapUntil reaps every child, ours and the orphans, until pid has ended, and
// goes on reaping the others behind the caller's back.
func reapUntil(pid int) int {
	for {
		var ws syscall.WaitStatus
		got, err := syscall.Wait4(-1, &ws, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || got == pid {
			go reapForever()
			if ws.Signaled() {
				return exitSignal + int(ws.Signal())
			}
			return ws.ExitStatus()
		}
	}
}

func reapForever() {
	for {
		if _, err := syscall.Wait4(-1, nil, 0, nil); errors.Is(err, syscall.ECHILD) {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

func killAll() { _ = unix.Kill(-1, unix.SIGKILL) }

// stopEverything ends what the command left running, so that what their end
// does to the kernel is seen too.
func stopEverything() {
	killAll()
	time.Sleep(50 * time.Millisecond)
}

// streams are the command's ends and ours of its input and output.
type streams struct {
	in       *os.File // we write the command's input
	out, err *os.File // we read its output; err is nil on a terminal
	theirs   []*os.File
}

func openStreams(job wire.Job) (*streams, error) {
	if job.TTY {
		return openTerminal(job)
	}
	var s streams
	pipes := [3][2]*os.File{}
	for i := range pipes {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("make pipe: %w", err)
		}
		pipes[i] = [2]*os.File{r, w}
	}
	s.in, s.out, s.err = pipes[0][1], pipes[1][0], pipes[2][0]
	s.theirs = []*os.File{pipes[0][0], pipes[1][1], pipes[2][1]}
	return &s, nil
}

func openTerminal(job wire.Job) (*streams, error) {
	master, err := os.OpenFile("/dev/pts/ptmx", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	conn, err := master.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	var n int
	var ioerr error
	if err := conn.Control(func(fd uintptr) {
		if ioerr = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); ioerr == nil {
			n, ioerr = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); err != nil || ioerr != nil {
		return nil, fmt.Errorf("open terminal: %w", errors.Join(err, ioerr))
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	s := &streams{in: master, out: master, theirs: []*os.File{slave, slave, slave}}
	s.resize(job.Rows, job.Columns)
	return s, nil
}

func (s *streams) child() []uintptr {
	fds := make([]uintptr, len(s.theirs))
	for i, f := range s.theirs {
		fds[i] = f.Fd()
	}
	return fds
}

func (s *streams) closeChild() {
	for _, f := range s.theirs {
		f.Close()
	}
}

func (s *streams) resize(rows, columns uint16) {
	if conn, err := s.in.SyscallConn(); err == nil && rows > 0 {
		_ = conn.Control(func(fd uintptr) {
			_ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns})
		})
	}
}

// feed gives the command what the host sends, until the host's end.
func (s *streams) feed(port *os.File) {
	for {
		kind, data, err := wire.Read(patient{port})
		if err != nil {
			return
		}
		switch kind {
		case wire.Stdin:
			// A command that does not read its input is no failure.
			_, _ = s.in.Write(data)
		case wire.StdinEnd:
			if s.err != nil {
				s.in.Close()
			}
		case wire.WindowSize:
			if len(data) == 4 {
				s.resize(binary.BigEndian.Uint16(data), binary.BigEndian.Uint16(data[2:]))
			}
		}
	}
}

// drain sends the command's output; the channel is closed at its end.
func (s *streams) drain(frames *wire.FrameWriter) <-chan struct{} {
	done := make(chan struct{})
	var wg sync.WaitGroup
	copyTo := func(k wire.Kind, r *os.File) {
		defer wg.Done()
		_, _ = io.CopyBuffer(frames.As(k), struct{ io.Reader }{r}, make([]byte, 32<<10))
	}
	wg.Add(1)
	go copyTo(wire.Stdout, s.out)
	if s.err != nil {
		wg.Add(1)
		go copyTo(wire.Stderr, s.err)
	}
	go func() { wg.Wait(); close(done) }()
	return done
}

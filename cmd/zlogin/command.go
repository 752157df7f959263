// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"zones/internal/cli"
	"zones/internal/deputy"
	"zones/internal/nsexec"
)

// streams are the pipes between a process in the zone and us. The zone gets no
// descriptor of the host's, not even of a terminal or file that is its input
// or output: who has one can do more with it than read or write.
type streams struct {
	in, out, err *os.File // our ends
}

const pipeSize = 1 << 20

// command runs o's command, or a shell that reads its commands from stdin, and
// returns the status that it ended with.
func (t *target) command(ctx context.Context, o *options, stdin *os.File, say *cli.Speaker) (int, error) {
	root, a, e, err := t.prepare(o)
	if err != nil {
		return 0, err
	}
	defer root.close()
	s, err := newStreams(e, int(t.record.UIDBase))
	if err != nil {
		return 0, err
	}
	child, err := root.enter(ctx, e)
	for _, f := range []*os.File{e.Stdin, e.Stdout, e.Stderr} {
		f.Close()
	}
	if err != nil {
		return 0, entering(t, e, err)
	}
	warnHome(say, child, a)
	return s.relay(child, stdin, say.Out, say.Err)
}

// prepare opens the zone's root and finds out who is to run what there. The
// caller closes the root.
func (t *target) prepare(o *options) (*zoneRoot, *account, *nsexec.Enter, error) {
	root, err := openRoot(t.record)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("could not enter zone %s: %s", t.name, cli.Reason(err))
	}
	a, err := root.account(o)
	var e *nsexec.Enter
	if err == nil {
		e, err = root.process(o, a)
	}
	if err != nil {
		root.close()
		return nil, nil, nil, err
	}
	return root, a, e, nil
}

func (r *zoneRoot) account(o *options) (*account, error) {
	if o.safe {
		return rootAccount(), nil
	}
	return r.lookup(o.user)
}

// entering words why a process could not be started.
func entering(t *target, e *nsexec.Enter, err error) error {
	var call *nsexec.CallError
	if errors.As(err, &call) && strings.HasPrefix(call.Call, "execve") {
		return fmt.Errorf("could not run %s in zone %s: %s", e.Path, t.name, cli.Reason(call.Err))
	}
	return fmt.Errorf("could not enter zone %s: %s", t.name, cli.Reason(err))
}

// warnHome says so when the process could not start where its user lives.
func warnHome(say *cli.Speaker, child *nsexec.Child, a *account) {
	for _, err := range child.Noted {
		say.Bare("Could not chdir to home directory " + a.home + ": " + cli.Reason(err))
	}
}

// newStreams makes the pipes, which belong to whoever runs e: only so can it open
// /dev/stdout and its like.
func newStreams(e *nsexec.Enter, base int) (*streams, error) {
	s := &streams{}
	var err error
	pipe := func(r, w **os.File) {
		if err != nil {
			return
		}
		if *r, *w, err = os.Pipe(); err == nil {
			// A larger pipe is a favour that the kernel may refuse. Fd makes
			// both ends blocking, as a program expects its streams to be.
			_, _ = unix.FcntlInt((*w).Fd(), unix.F_SETPIPE_SZ, pipeSize)
			_ = (*r).Fd()
			err = (*w).Chown(base+int(e.UID), base+int(e.GID))
		}
	}
	pipe(&e.Stdin, &s.in)
	pipe(&s.out, &e.Stdout)
	pipe(&s.err, &e.Stderr)
	return s, err
}

// relay carries the streams until the process ends, and then what is left in
// them. Processes that it left behind may hold the pipes open: they are not
// waited for.
func (s *streams) relay(child *nsexec.Child, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	defer child.Close()
	stop := forwardInterrupts(child)
	go func() {
		_, _ = io.CopyBuffer(onlyWriter{s.in}, onlyReader{ours(stdin)}, make([]byte, 128<<10))
		s.in.Close()
	}()
	done := make(chan error, 2)
	go func() { done <- pump(s.out, stdout, child.PIDFD) }()
	go func() { done <- pump(s.err, stderr, child.PIDFD) }()
	err := errors.Join(<-done, <-done)
	awaitEnd(child.PIDFD)
	stop()
	status, werr := child.Wait()
	switch {
	case werr != nil:
		return 0, werr
	case err != nil:
		return 0, unwritten(err)
	case status.Exited():
		return status.ExitStatus(), nil
	}
	return 0, nil // ended by a signal: scripts written for illumos expect this
}

// unwritten words why what came from the zone could not be passed on.
func unwritten(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("write output: %s", cli.Reason(err))
}

// forwardInterrupts passes SIGINT on to the process group of the command,
// which is in a session of its own, until stop is called.
func forwardInterrupts(child *nsexec.Child) (stop func()) {
	if signal.Ignored(unix.SIGINT) {
		return func() {}
	}
	interrupts := make(chan os.Signal, 1)
	ended := make(chan struct{})
	signal.Notify(interrupts, unix.SIGINT)
	go func() {
		for {
			select {
			case <-interrupts:
				_ = unix.Kill(-child.PID, unix.SIGINT)
			case <-ended:
				return
			}
		}
	}()
	return func() {
		signal.Stop(interrupts)
		close(ended)
	}
}

// onlyWriter and onlyReader hide the methods of a file that io.Copy would
// choose instead of the buffer.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)

// ours is what may be read of an input: all, or of a terminal what is typed while
// we are in the foreground. To read more would stop us, and the command with us
// when its output is waited for.
func ours(in io.Reader) io.Reader {
	if f, ok := in.(*os.File); ok && isTerminal(f) {
		return foreground{f}
	}
	return in
}

type foreground struct{ *os.File }

func (f foreground) Read(p []byte) (int, error) {
	for {
		awaitInput(f.File)
		if !deputy.Background(f.File) {
			return f.File.Read(p)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// awaitEnd waits for the end of the process of a pidfd.
func awaitEnd(pidfd *os.File) { awaitInput(pidfd) }

// awaitInput waits until there is something to read, or never will be.
func awaitInput(f *os.File) {
	fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err != unix.EINTR {
			return
		}
	}
}

// pump copies until the end of r. Once the process has ended it takes what r
// holds at that moment and waits for no more.
func pump(r *os.File, w io.Writer, pidfd *os.File) error {
	defer r.Close()
	buf := make([]byte, 128<<10)
	fd := int(r.Fd())
	fds := []unix.PollFd{
		{Fd: int32(fd), Events: unix.POLLIN},
		{Fd: int32(pidfd.Fd()), Events: unix.POLLIN},
	}
	left, wait := 2*pipeSize, -1
	for left > 0 {
		_, err := unix.Poll(fds, wait)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if fds[1].Revents != 0 && wait != 0 {
			// What it wrote is in r now: look once more, without waiting.
			wait = 0
			continue
		}
		if fds[0].Revents == 0 {
			return nil
		}
		n, err := unix.Read(fd, buf)
		if err == unix.EINTR || err == unix.EAGAIN {
			continue
		}
		if n <= 0 {
			return nil // the end; a terminal says it with EIO
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		if wait == 0 {
			left -= n
		}
	}
	return nil
}

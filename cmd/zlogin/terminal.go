// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"zones/internal/cli"
	"zones/internal/nsexec"
)

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// A localTerminal is the user's terminal while it is raw.
type localTerminal struct {
	fd    int
	saved *unix.Termios // nil for what is no terminal
}

// makeRaw passes every key on as it is typed.
func makeRaw(f *os.File) (*localTerminal, error) {
	l := &localTerminal{fd: int(f.Fd())}
	saved, err := unix.IoctlGetTermios(l.fd, unix.TCGETS)
	if err != nil {
		return l, nil
	}
	l.saved = saved
	raw := *saved
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag &^= unix.CSIZE | unix.PARENB
	raw.Cflag |= unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	ofUser.Store(l)
	return l, unix.IoctlSetTermios(l.fd, unix.TCSETS, &raw)
}

// ofUser is the terminal that has been made raw, if any.
var ofUser atomic.Pointer[localTerminal]

// quit ends us, once quits has a signal, as that would: but for what the runtime
// then has to say of itself, which is nothing to a user who types the quit key.
func quit(quits <-chan os.Signal) {
	<-quits
	if l := ofUser.Load(); l != nil {
		l.restore()
	}
	os.Exit(128 + int(unix.SIGQUIT))
}

func (l *localTerminal) restore() {
	if l.saved != nil {
		_ = unix.IoctlSetTermios(l.fd, unix.TCSETSW, l.saved)
	}
}

// restoreOnDeath gives the terminal back before a signal that ends us does,
// until stop is called. That what is shown goes nowhere any more is an error
// meanwhile, and no signal.
func (l *localTerminal) restoreOnDeath() (stop func()) {
	deadly, broken := make(chan os.Signal, 1), make(chan os.Signal, 1)
	done := make(chan struct{})
	signal.Notify(deadly, unix.SIGHUP, unix.SIGINT, unix.SIGTERM)
	signal.Notify(broken, unix.SIGPIPE)
	go func() {
		select {
		case s := <-deadly:
			l.restore()
			signal.Reset(s)
			_ = unix.Kill(os.Getpid(), s.(unix.Signal))
		case <-done:
		}
	}()
	return func() {
		signal.Stop(deadly)
		signal.Stop(broken)
		close(done)
	}
}

// interactive gives the account a terminal of the zone's own. Its status says
// only whether the connection held, not what the shell returned.
func (t *target) interactive(ctx context.Context, o *options, stdin *os.File, say *cli.Speaker) (int, error) {
	root, a, e, err := t.prepare(o)
	if err != nil {
		return 0, err
	}
	defer root.close()
	term, _ := unix.IoctlGetTermios(int(stdin.Fd()), unix.TCGETS)
	pty, err := root.openPTY(a, term)
	if err != nil {
		return 0, fmt.Errorf("failed to obtain a pseudo-tty: %s", cli.Reason(err))
	}
	defer pty.master.Close()
	pty.resize(stdin)
	if a.found {
		e.Env = append(e.Env, "USER="+a.name) // as login(1) of Linux has it
	}
	if !o.safe {
		e.Env = append(e.Env, root.locale()...)
	}
	e.Terminal, e.Stdin, e.Stdout, e.Stderr = true, pty.slave, pty.slave, pty.slave
	child, err := root.enter(ctx, e)
	pty.slave.Close()
	if err != nil {
		return 0, entering(t, e, err)
	}
	if !o.quiet {
		say.Print(fmt.Sprintf("[Connected to zone '%s' %s]", t.name, pty.name))
	}
	warnHome(say, child, a)
	err = pty.converse(o, child, stdin, say)
	if !o.quiet {
		say.Bare(fmt.Sprintf("\n[Connection to zone '%s' %s closed]", t.name, pty.name))
	}
	return cli.ExitOK, err
}

// A pty is a pseudo terminal of the zone's devpts.
type pty struct {
	master, slave *os.File
	name          string // "pts/3"
}

// ptmx is the device number of the multiplexer. The zone cannot make device
// nodes, so whatever has this number is one.
var ptmx = unix.Mkdev(5, 2)

// openPTY makes a pseudo terminal, owned by the account, with the settings of
// the user's own.
func (r *zoneRoot) openPTY(a *account, like *unix.Termios) (*pty, error) {
	master, err := r.open("dev/ptmx", unix.O_RDWR)
	if err != nil {
		return nil, err
	}
	p := &pty{master: master}
	if err := p.open(r, a, like); err != nil {
		master.Close()
		return nil, err
	}
	return p, nil
}

func (p *pty) open(r *zoneRoot, a *account, like *unix.Termios) error {
	fd := int(p.master.Fd())
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != ptmx {
		return errors.New("/dev/ptmx of the zone is not the device")
	}
	n, err := unix.IoctlGetUint32(fd, unix.TIOCGPTN)
	if err != nil {
		return err
	}
	p.name = fmt.Sprintf("pts/%d", n)
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	// The kernel opens the other end itself: no name is looked up.
	slave, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER,
		unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return errno
	}
	p.slave = os.NewFile(slave, p.name)
	base := int(r.record.UIDBase)
	const ttyGroup = 5
	err = unix.Fchown(int(slave), base+int(a.uid), base+ttyGroup)
	if err == nil {
		err = unix.Fchmod(int(slave), 0o620)
	}
	if err == nil && like != nil {
		err = unix.IoctlSetTermios(int(slave), unix.TCSETS, like)
	}
	if err != nil {
		p.slave.Close()
	}
	return err
}

func (p *pty) resize(from *os.File) {
	size, err := unix.IoctlGetWinsize(int(from.Fd()), unix.TIOCGWINSZ)
	if err == nil {
		_ = unix.IoctlSetWinsize(int(p.master.Fd()), unix.TIOCSWINSZ, size)
	}
}

// converse joins the user's terminal and the pty until the process ends or the
// user leaves; then the process gets a hang-up, as the pty closes.
func (p *pty) converse(o *options, child *nsexec.Child, stdin *os.File, say *cli.Speaker) error {
	defer child.Close()
	local, err := makeRaw(stdin)
	if err != nil {
		return err
	}
	stop := local.restoreOnDeath()
	defer stop()
	defer local.restore()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	defer signal.Stop(resized)
	p.resize(stdin) // it may have changed before anybody listened
	left := make(chan string, 1)
	go typing(newEscaper(o, local.saved), stdin, p.master, left)
	shown := make(chan error, 1)
	go func() { shown <- pump(p.master, say.Out, child.PIDFD) }()
	for {
		select {
		case <-resized:
			p.resize(stdin)
		case farewell := <-left:
			_, _ = io.WriteString(say.Out, farewell)
			return nil
		case err := <-shown:
			return unwritten(err)
		}
	}
}

// typing passes on what is typed until the user leaves. The zone may stop
// reading; the user can leave all the same.
func typing(e *escaper, from *os.File, to io.Writer, left chan<- string) {
	// A terminal is read on, or who pastes at what does not read cannot leave.
	backlog := 64
	if e.terminal {
		backlog = 4096
	}
	queue := make(chan []byte, backlog)
	defer close(queue)
	go func() {
		for typed := range queue {
			_, _ = to.Write(typed)
		}
	}()
	for {
		buf := make([]byte, 4096)
		n, err := from.Read(buf)
		pass, closed, last := e.filter(buf[:n])
		if len(pass) > 0 {
			queue <- pass
		}
		if closed {
			left <- e.farewell(last)
			return
		}
		if err != nil {
			// A terminal that is gone takes its user along; what is read
			// from a file or a pipe just has no more to say.
			if e.terminal {
				left <- ""
			}
			return
		}
	}
}

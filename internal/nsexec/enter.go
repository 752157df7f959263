// SPDX-License-Identifier: Apache-2.0

package nsexec

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// allNamespaces is what an entering process joins. The time namespace is the
// host's in every process of ours.
const allNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS |
	unix.CLONE_NEWIPC | unix.CLONE_NEWCGROUP | unix.CLONE_NEWNET

// Enter is a process to be started inside the namespaces of another one.
type Enter struct {
	Target *os.File // pidfd of a process in the namespaces
	Cgroup *os.File // directory of the cgroup to start in; nil for our own
	// UID, GID and Groups are ids inside the target's user namespace.
	UID, GID uint32
	Groups   []uint32
	Dir      string // working directory inside; one that cannot be had is noted, and "/"
	Path     string // program, inside
	Argv     []string
	Env      []string
	Limits   Limits
	// Stdin, Stdout and Stderr become descriptors 0 to 2; nothing else of ours
	// is open in the process.
	Stdin, Stdout, Stderr *os.File
	// Terminal makes descriptor 0 the controlling terminal of a new session.
	// Without it the process begins a session without a terminal.
	Terminal bool
}

// Start starts the process, which has to be waited for. It returns when the
// program runs, or with a *CallError that says why not.
//
// The process is the child of one between us and it, on our side of the
// namespaces, which waits for it and keeps its status: if it were ours, and we
// were stopped, what is left of it after its end would keep its pid namespace
// from ending.
func (e *Enter) Start(ctx context.Context) (*Child, error) {
	ended, leave, err := twoPipes()
	if err != nil {
		return nil, fmt.Errorf("enter: %w", err)
	}
	between, err := e.between(int(ended[1].Fd()), int(leave[0].Fd()))
	closeFiles([]*os.File{ended[1], leave[0]})
	if err != nil {
		closeFiles([]*os.File{ended[0], leave[1]})
		return nil, fmt.Errorf("enter: %w", err)
	}
	between.ended, between.leave = ended[0], leave[1]
	c := &Child{Status: between.Status, names: between.names, keeper: between}
	pid, err := between.AwaitMark(ctx)
	var fd uint64
	if err == nil {
		fd, err = between.AwaitMark(ctx)
	}
	var pidfd int
	if err == nil {
		// The number may belong to another by now, if the process has ended.
		pidfd, err = unix.PidfdGetfd(int(between.PIDFD.Fd()), int(fd), 0)
	}
	if err != nil {
		return nil, fmt.Errorf("enter: %w", errors.Join(err, between.end()))
	}
	c.PID, c.PIDFD = int(pid), os.NewFile(uintptr(pidfd), "pidfd")
	if err := c.AwaitExec(ctx); err != nil {
		c.Kill()
		return nil, fmt.Errorf("enter: %w", err)
	}
	c.Noted = append(between.Noted, c.Noted...)
	return c, nil
}

func twoPipes() (a, b [2]*os.File, err error) {
	if a[0], a[1], err = os.Pipe(); err != nil {
		return a, b, err
	}
	if b[0], b[1], err = os.Pipe(); err != nil {
		closeFiles(a[:])
	}
	return a, b, err
}

// between starts the process between us and the one inside. It writes that
// one's wait status to ended, and ends when leave does.
func (e *Enter) between(ended, leave int) (*Child, error) {
	p, err := NewProgram()
	if err != nil {
		return nil, err
	}
	const pid, pidfd = Reg(0), Reg(1)
	// Who is spared when memory runs out is not for the namespaces to inherit.
	p.oomScore("0")
	// A process of the namespaces must not be able to read us or our
	// descriptors from the moment we are in theirs.
	p.Call("undumpable", unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	target := int(e.Target.Fd())
	in, out, errs := int(e.Stdin.Fd()), int(e.Stdout.Fd()), int(e.Stderr.Fd())
	p.standard(in, out, errs)
	p.CloseAllBut(target, ended, leave)
	p.Call("setns", unix.SYS_SETNS, target, allNamespaces)
	p.Call("close", unix.SYS_CLOSE, target)
	inside := p.sub()
	e.inside(inside)
	// A process becomes a member of a pid namespace by being born there.
	p.Call("block signals", unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, unsafe.Pointer(&p.table.allSignals), 0, 8)
	p.Fork(pid, "clone in namespaces", &CloneArgs{ExitSignal: uint64(unix.SIGCHLD)}, inside)
	// What the one inside reads and writes ends with it, and no terminal is ours.
	p.CloseAllBut(ended, leave)
	p.Call("close", unix.SYS_CLOSE_RANGE, 0, 2, 0)
	p.Try("setsid", unix.SYS_SETSID)
	p.Try("chdir", unix.SYS_CHDIR, "/")
	p.Set(pidfd, "open process", unix.SYS_PIDFD_OPEN, pid, 0)
	p.Mark("pid", pid)
	p.Mark("pidfd", pidfd)
	// With the last writer but the child gone, the child's exec is its end.
	p.Call("close", unix.SYS_CLOSE, p.status[1])
	if err := p.settle(pid, ended, leave); err != nil {
		p.Discard()
		return nil, err
	}
	cgroup := -1
	if e.Cgroup != nil {
		cgroup = int(e.Cgroup.Fd())
	}
	return p.Start(0, cgroup)
}

// standard puts descriptors in the first three places, whatever numbers they
// had.
func (p *Program) standard(in, out, errs int) {
	const r = Reg(8)
	for i, fd := range []int{in, out, errs} {
		// By way of a high number, so that none is overwritten by another.
		p.Set(r+Reg(i), "dup", unix.SYS_FCNTL, fd, unix.F_DUPFD_CLOEXEC, 64)
	}
	for i := 0; i < 3; i++ {
		p.Call("dup3", unix.SYS_DUP3, r+Reg(i), i, 0)
	}
}

func (e *Enter) inside(p *Program) {
	p.resetSignals()
	p.Call("setsid", unix.SYS_SETSID)
	if e.Terminal {
		p.Call("set controlling terminal", unix.SYS_IOCTL, 0, unix.TIOCSCTTY, 0)
	}
	p.Try("chdir", unix.SYS_CHDIR, "/")
	groups := make([]byte, 4*max(len(e.Groups), 1))
	for i, g := range e.Groups {
		binary.NativeEndian.PutUint32(groups[4*i:], g)
	}
	p.Call("setgroups", unix.SYS_SETGROUPS, len(e.Groups), groups)
	p.Call("setresgid", unix.SYS_SETRESGID, e.GID, e.GID, e.GID)
	// Limits need the capabilities that setresuid takes from others than root; it
	// does so only where root is who becomes another.
	p.Call("setresuid", unix.SYS_SETRESUID, 0, 0, 0)
	p.limit(e.Limits)
	p.Call("setresuid", unix.SYS_SETRESUID, e.UID, e.UID, e.UID)
	if e.Dir != "" {
		p.Note("chdir", unix.SYS_CHDIR, e.Dir)
	}
	p.Call("umask", unix.SYS_UMASK, 0o022)
	// The keys of our session would come along; a kernel without keys has none.
	p.Try("join session keyring", unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0)
	p.Exec(e.Path, e.Argv, e.Env)
}

// OpenIn opens path in the mount namespace of the process that target is a
// pidfd of, with that namespace's own root for absolute names and links, and
// with the rights of its user namespace's root. What comes back is whatever
// that namespace put there: the caller checks it before use.
func OpenIn(ctx context.Context, target *os.File, path string, flags int) (*os.File, error) {
	p, err := NewProgram()
	if err != nil {
		return nil, err
	}
	const fd = Reg(0)
	t := int(target.Fd())
	p.Call("undumpable", unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	p.CloseAllBut(t)
	p.Call("setns", unix.SYS_SETNS, t, unix.CLONE_NEWUSER|unix.CLONE_NEWNS)
	p.Call("setresgid", unix.SYS_SETRESGID, 0, 0, 0)
	p.Call("setresuid", unix.SYS_SETRESUID, 0, 0, 0)
	p.Set(fd, "open", unix.SYS_OPENAT, unix.AT_FDCWD, path, flags|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	p.Mark("opened", fd)
	p.Linger()
	c, err := p.Start(0, -1)
	if err != nil {
		return nil, fmt.Errorf("open %s inside: %w", path, err)
	}
	defer c.Kill()
	n, err := c.AwaitMark(ctx)
	if err != nil {
		var call *CallError
		if errors.As(err, &call) && call.Call == "open" {
			err = call.Err
		}
		return nil, fmt.Errorf("open %s inside: %w", path, err)
	}
	got, err := unix.PidfdGetfd(int(c.PIDFD.Fd()), int(n), 0)
	if err != nil {
		return nil, fmt.Errorf("open %s inside: %w", path, err)
	}
	return os.NewFile(uintptr(got), path), nil
}

// WriteIn writes value to the host's file path from inside namespaces of the
// process that target is a pidfd of, kinds being CLONE_NEW*: some settings
// belong to the namespace of who writes them. Kernels before 6.9 let the
// host's root change those of an ipc namespace, later ones the root of its
// user namespace, who is owner on the host: both are tried.
func WriteIn(ctx context.Context, target *os.File, kinds int, owner uint32, path, value string) error {
	err := writeIn(ctx, target, kinds, 0, path, value)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		err = writeIn(ctx, target, kinds, owner, path, value)
	}
	if err != nil {
		return fmt.Errorf("write %s inside: %w", path, err)
	}
	return nil
}

func writeIn(ctx context.Context, target *os.File, kinds int, uid uint32, path, value string) error {
	p, err := NewProgram()
	if err != nil {
		return err
	}
	const fd = Reg(0)
	t := int(target.Fd())
	p.CloseAllBut(t)
	p.Call("setns", unix.SYS_SETNS, t, kinds)
	p.Call("setresuid", unix.SYS_SETRESUID, uid, uid, uid)
	p.Set(fd, "open", unix.SYS_OPENAT, unix.AT_FDCWD, path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	p.Call("write", unix.SYS_WRITE, fd, []byte(value), len(value))
	p.Exit(0)
	c, err := p.Start(0, -1)
	if err != nil {
		return err
	}
	if err := c.AwaitExec(ctx); err != nil {
		return errors.Join(err, c.Kill())
	}
	_, err = c.Wait()
	return errors.Join(err, c.Close())
}

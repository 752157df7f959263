// SPDX-License-Identifier: Apache-2.0

// Package nsexec starts processes in namespaces, new ones or those of another
// process. It forks once and lets the child carry out a table of raw system
// calls that the parent prepared, so that neither a second program nor C code
// has to run between clone(2) and execve(2). It mounts nothing by itself and
// knows no zone.
package nsexec

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Program is the table of system calls of one child. It is built by the
// parent and not changed once it has been started.
type Program struct {
	table  table
	names  []string // of the calls, for errors
	keep   []any    // what the addresses in the table point to
	status [2]int   // pipe: failures and marks from the child
	// subs are all tables that this one leads to, in the order of the bases of
	// their reports' indexes; all of them share the list.
	subs  *[]*Program
	pages [][]byte // of our own mapping, for the child alone
}

// Reg names a place that holds the result of an earlier call.
type Reg uint8

const registers = 16

type opKind uint8

const (
	opCall  opKind = iota // must succeed
	opTry                 // may fail
	opNote                // may fail, and the parent is told
	opMark                // tell the parent, with the value of a register
	opRead                // read exactly one packet into argv
	opExec                // execve of argv as read, or as given
	opFork                // clone3; the child goes on with another table
	opExit                // end
	opPause               // wait to be killed
	opGuard               // read one byte; when there is none go on with another table
	opJump                // go on with another table
	opTrim                // give memory back, but the stack
)

type op struct {
	kind opKind
	out  uint8 // register + 1 for the result
	refs uint8 // bit i: args[i] is a register
	trap uintptr
	args [6]uintptr
	sub  *table
}

// table is what the child sees. Everything in it is prepared before the fork:
// the child can neither allocate nor grow its stack.
type table struct {
	ops    []op
	regs   [registers]uintptr
	status uintptr
	report report
	packet []byte
	argv   []uintptr
	// allSignals is the mask that blocks every signal, set by the parent.
	allSignals uint64
	byte       uint64
}

// report is what a child writes to its status pipe.
type report struct {
	index uint32 // of the op
	mark  uint32 // 1 for a mark, 0 for a failure, 2 for one that does not matter
	value uint64 // errno of a failure, or the value marked
}

const reportSize = unsafe.Sizeof(report{})

// NewProgram makes an empty program and its status pipe.
func NewProgram() (*Program, error) {
	p := &Program{subs: new([]*Program)}
	if err := unix.Pipe2(p.status[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make status pipe: %w", err)
	}
	p.table.status = uintptr(p.status[1])
	p.table.allSignals = ^uint64(0)
	return p, nil
}

// sub makes a table for a process that this program forks.
func (p *Program) sub() *Program {
	q := &Program{status: p.status, subs: p.subs}
	q.table.status, q.table.allSignals = p.table.status, p.table.allSignals
	return q
}

// Call appends a system call that must succeed. An argument is an integer, a
// Reg, a string (passed as the address of a copy that ends in NUL), a []byte
// or an unsafe.Pointer, which must not point into a stack.
func (p *Program) Call(name string, trap uintptr, args ...any) {
	p.add(name, opCall, 0, trap, args)
}

// Set is Call that keeps the result in a register.
func (p *Program) Set(r Reg, name string, trap uintptr, args ...any) {
	p.add(name, opCall, uint8(r)+1, trap, args)
}

// Try appends a system call whose failure does not matter.
func (p *Program) Try(name string, trap uintptr, args ...any) {
	p.add(name, opTry, 0, trap, args)
}

// Note is Try that tells the parent of a failure: see Child.Noted.
func (p *Program) Note(name string, trap uintptr, args ...any) {
	p.add(name, opNote, 0, trap, args)
}

// Mark appends a message to the parent: that the child got here, and the value
// of a register.
func (p *Program) Mark(name string, r Reg) { p.add(name, opMark, 0, 0, []any{r}) }

func (p *Program) add(name string, kind opKind, out uint8, trap uintptr, args []any) {
	o := op{kind: kind, out: out, trap: trap}
	for i, a := range args {
		switch a := a.(type) {
		case int:
			o.args[i] = uintptr(a)
		case uint32:
			o.args[i] = uintptr(a)
		case uint64:
			o.args[i] = uintptr(a)
		case uintptr:
			o.args[i] = a
		case Reg:
			o.args[i] = uintptr(a)
			o.refs |= 1 << i
		case string:
			b := append([]byte(a), 0)
			p.keep = append(p.keep, b)
			o.args[i] = uintptr(unsafe.Pointer(&b[0]))
		case []byte:
			p.keep = append(p.keep, a)
			o.args[i] = uintptr(unsafe.Pointer(unsafe.SliceData(a)))
		case unsafe.Pointer:
			p.keep = append(p.keep, a)
			o.args[i] = uintptr(a)
		default:
			panic(fmt.Sprintf("nsexec: argument of type %T", a))
		}
	}
	p.table.ops = append(p.table.ops, o)
	p.names = append(p.names, name)
}

// CloseAllBut appends the closing of every descriptor except the ones given,
// the standard three and the status pipe's.
func (p *Program) CloseAllBut(fds ...int) {
	kept := append([]int{0, 1, 2, p.status[1]}, fds...)
	slices.Sort(kept)
	next := 0
	for _, fd := range kept {
		if fd > next {
			p.Call("close_range", unix.SYS_CLOSE_RANGE, next, fd-1, 0)
		}
		next = max(next, fd+1)
	}
	p.Call("close_range", unix.SYS_CLOSE_RANGE, next, uint64(^uint32(0)), 0)
}

// Exec appends the end: the program at path with the arguments and environment
// given.
func (p *Program) Exec(path string, argv, env []string) {
	p.add("execve "+path, opExec, 0, unix.SYS_EXECVE, []any{path, p.vector(argv), p.vector(env)})
}

// maxPacket is the most that ExecLater accepts, and maxArgs the most strings.
const (
	maxPacket = 4096
	maxArgs   = 64
)

// ExecLater appends a wait for a packet on descriptor fd, as SendExec makes
// it, and the end: the program and arguments that it names.
func (p *Program) ExecLater(fd int, env []string) {
	p.wait(fd)
	p.execLater(env)
}

func (p *Program) wait(fd int) {
	p.table.packet = make([]byte, maxPacket)
	p.table.argv = make([]uintptr, maxArgs+1)
	p.add("wait", opRead, 0, 0, []any{fd})
}

func (p *Program) execLater(env []string) {
	p.add("execve", opExec, 0, unix.SYS_EXECVE, []any{0, 0, p.vector(env)})
}

// SendExec tells a child that waits in ExecLater what to become.
func SendExec(fd int, path string, argv []string) error {
	var packet []byte
	for _, s := range append([]string{path}, argv...) {
		packet = append(append(packet, s...), 0)
	}
	if len(packet) > maxPacket || len(argv) >= maxArgs {
		return fmt.Errorf("start %s: arguments: %w", path, unix.E2BIG)
	}
	if n, err := unix.Write(fd, packet); err != nil || n != len(packet) {
		return fmt.Errorf("start %s: %w", path, err)
	}
	return nil
}

func (p *Program) vector(words []string) unsafe.Pointer {
	v := make([]uintptr, len(words)+1)
	for i, w := range words {
		b := append([]byte(w), 0)
		p.keep = append(p.keep, b)
		v[i] = uintptr(unsafe.Pointer(&b[0]))
	}
	p.keep = append(p.keep, v)
	return unsafe.Pointer(&v[0])
}

// Guard appends a wait for one byte on descriptor fd. When the end of the file
// comes instead, the child goes on with otherwise.
func (p *Program) Guard(name string, fd int, otherwise *Program) {
	p.add(name, opGuard, 0, 0, []any{fd})
	p.table.ops[len(p.table.ops)-1].sub = &otherwise.table
	p.link(otherwise)
}

// link lets reports of a table that p leads to be told apart by the base of
// their indexes.
func (p *Program) link(q *Program) {
	p.keep = append(p.keep, q)
	*p.subs = append(*p.subs, q)
	q.table.report.index = uint32(len(*p.subs)) << 16
}

// resetSignals appends what a program expects to begin with: no signal blocked
// or ignored, whatever we do with them.
func (p *Program) resetSignals() {
	action := make([]byte, 64) // struct sigaction of the kernel: SIG_DFL, no flags
	for sig := 1; sig <= 64; sig++ {
		p.Try("sigaction", unix.SYS_RT_SIGACTION, sig, action, 0, 8)
	}
	p.Call("unblock signals", unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, make([]byte, 8), 0, 8)
}

// Exit appends the end without another program.
func (p *Program) Exit(status int) { p.add("exit", opExit, 0, 0, []any{status}) }

// Pause appends a wait that only SIGKILL ends.
func (p *Program) Pause() { p.add("pause", opPause, 0, 0, nil) }

// Linger appends the end of a child that is there for its parent only: it waits
// until the parent kills it, or is gone itself. CloseAllBut must have come
// before, or the child's own copies keep the status pipe from being closed.
func (p *Program) Linger() {
	status := []unix.PollFd{{Fd: int32(p.status[1])}} // asks for nothing, and is told of errors
	p.keep = append(p.keep, status)
	p.Try("linger", unix.SYS_PPOLL, unsafe.Pointer(&status[0]), 1, 0, 0, 0)
	p.Exit(0)
}

// Fork appends a clone3 with args; the new process carries out child, which
// must not be changed afterwards. The result goes into register r.
func (p *Program) Fork(r Reg, name string, args *CloneArgs, child *Program) {
	p.add(name, opFork, uint8(r)+1, 0, []any{unsafe.Pointer(args)})
	p.table.ops[len(p.table.ops)-1].sub = &child.table
	p.link(child)
}

// CloneArgs is struct clone_args of clone3(2).
type CloneArgs struct {
	Flags, PIDFD, ChildTID, ParentTID, ExitSignal uint64
	Stack, StackSize, TLS, SetTID, SetTIDSize     uint64
	Cgroup                                        uint64
}

// A Child is a process that was started and has not been waited for.
type Child struct {
	PID    int
	PIDFD  *os.File
	Status *os.File   // read end of the status pipe
	Noted  []error    // *CallError of calls that failed and need not have succeeded
	names  [][]string // of the calls, for each table
	// keeper is the parent of a child that is not ours. It writes the status of
	// its child to ended and goes when leave is closed.
	keeper *Child
	ended  *os.File
	leave  *os.File
}

// Start forks. Flags are CLONE_NEW* and the like; cgroup is a descriptor of
// the cgroup directory to start in, or negative.
func (p *Program) Start(flags uint64, cgroup int) (*Child, error) {
	var pidfd int32 = -1
	args := &CloneArgs{Flags: flags | unix.CLONE_PIDFD, ExitSignal: uint64(unix.SIGCHLD),
		PIDFD: uint64(uintptr(unsafe.Pointer(&pidfd)))}
	if cgroup >= 0 {
		args.Flags |= unix.CLONE_INTO_CGROUP
		args.Cgroup = uint64(cgroup)
	}
	// Nobody else may fork while the child's descriptors are not all marked.
	syscall.ForkLock.Lock()
	pid, errno := fork(args, &p.table)
	syscall.ForkLock.Unlock()
	runtime.KeepAlive(p)
	for _, page := range p.pages {
		_ = unix.Munmap(page)
	}
	unix.Close(p.status[1])
	p.status[1] = -1
	if errno != 0 {
		unix.Close(p.status[0])
		return nil, fmt.Errorf("clone: %w", errno)
	}
	// So that waiting for it can be given up.
	_ = unix.SetNonblock(p.status[0], true)
	c := &Child{PID: int(pid), PIDFD: os.NewFile(uintptr(pidfd), "pidfd"),
		Status: os.NewFile(uintptr(p.status[0]), "status"), names: [][]string{p.names}}
	for _, q := range *p.subs {
		c.names = append(c.names, q.names)
	}
	return c, nil
}

// Discard closes what a program that is not started holds.
func (p *Program) Discard() {
	for i, fd := range p.status {
		if fd >= 0 {
			unix.Close(fd)
			p.status[i] = -1
		}
	}
}

// A CallError is a system call that failed in a child.
type CallError struct {
	Call string
	Err  syscall.Errno
}

func (e *CallError) Error() string { return e.Call + ": " + e.Err.Error() }
func (e *CallError) Unwrap() error { return e.Err }

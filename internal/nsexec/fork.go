// SPDX-License-Identifier: Apache-2.0

package nsexec

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The runtime's own hooks around fork(2): they block signals so that no
// handler runs in the child before they are reset there. package syscall has
// them from the runtime in the same way.

//go:linkname runtimeBeforeFork syscall.runtime_BeforeFork
func runtimeBeforeFork()

//go:linkname runtimeAfterFork syscall.runtime_AfterFork
func runtimeAfterFork()

//go:linkname runtimeAfterForkInChild syscall.runtime_AfterForkInChild
func runtimeAfterForkInChild()

// fork makes a process with its own copy of the memory, which carries t out
// and never returns. Between the hooks nothing may allocate, grow the stack or
// be preempted; hence the directives, as on syscall.forkAndExecInChild.
//
//go:noinline
//go:norace
//go:nocheckptr
func fork(args *CloneArgs, t *table) (pid uintptr, errno syscall.Errno) {
	runtimeBeforeFork()
	pid, _, errno = syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0)
	if errno != 0 || pid != 0 {
		runtimeAfterFork()
		return pid, errno
	}
	runtimeAfterForkInChild()
	run(t)
	return 0, 0
}

// run carries a table out in the child.
//
//go:nosplit
//go:norace
//go:nocheckptr
func run(t *table) {
	base := t.report.index
	for i := 0; i < len(t.ops); i++ {
		o := &t.ops[i]
		var a [6]uintptr
		for j := 0; j < 6; j++ {
			a[j] = o.args[j]
			if o.refs&(1<<j) != 0 {
				a[j] = t.regs[a[j]%registers]
			}
		}
		var r uintptr
		var errno syscall.Errno
		switch o.kind {
		case opMark:
			t.report.index, t.report.mark, t.report.value = base|uint32(i), 1, uint64(a[0])
			syscall.RawSyscall(unix.SYS_WRITE, t.status, uintptr(unsafe.Pointer(&t.report)), reportSize)
		case opRead:
			errno = readPacket(t, a[0])
		case opExec:
			if a[0] == 0 {
				a[0], a[1] = t.argv[0], uintptr(unsafe.Pointer(&t.argv[1]))
			}
			_, _, errno = syscall.RawSyscall(unix.SYS_EXECVE, a[0], a[1], a[2])
		case opFork:
			r, _, errno = syscall.RawSyscall(unix.SYS_CLONE3, a[0], unsafe.Sizeof(CloneArgs{}), 0)
			if errno == 0 && r == 0 {
				o.sub.regs = t.regs
				t, i, base = o.sub, -1, o.sub.report.index
				continue
			}
		case opJump:
			o.sub.regs = t.regs
			t, i, base = o.sub, -1, o.sub.report.index
			continue
		case opTrim:
			trim(a[0], a[1], uintptr(unsafe.Pointer(&a)))
		case opExit:
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, a[0], 0, 0)
		case opPause:
			syscall.RawSyscall(unix.SYS_RT_SIGSUSPEND, uintptr(unsafe.Pointer(&t.allSignals)), 8, 0)
			i--
		case opGuard:
			n, _, _ := syscall.RawSyscall(unix.SYS_READ, a[0], uintptr(unsafe.Pointer(&t.byte)), 1)
			if n != 1 {
				o.sub.regs = t.regs
				t, i, base = o.sub, -1, o.sub.report.index
				continue
			}
		default:
			r, _, errno = syscall.RawSyscall6(o.trap, a[0], a[1], a[2], a[3], a[4], a[5])
			if o.kind == opNote && errno != 0 {
				t.report.index, t.report.mark, t.report.value = base|uint32(i), 2, uint64(errno)
				syscall.RawSyscall(unix.SYS_WRITE, t.status, uintptr(unsafe.Pointer(&t.report)), reportSize)
			}
			if o.kind != opCall {
				errno = 0
			}
		}
		if errno != 0 {
			t.report.index, t.report.mark, t.report.value = base|uint32(i), 0, uint64(errno)
			syscall.RawSyscall(unix.SYS_WRITE, t.status, uintptr(unsafe.Pointer(&t.report)), reportSize)
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 127, 0, 0)
		}
		if o.out != 0 {
			t.regs[(o.out-1)%registers] = r
		}
	}
	syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
}

// stackRoom is how far around the stack pointer memory is kept: run and what
// it calls need less than the linker's bound for functions without a check.
const stackRoom = 16 << 10

// trim gives back the memory from start to end, except around the stack.
//
//go:nosplit
//go:norace
func trim(start, end, stack uintptr) {
	low, high := (stack-stackRoom)&^4095, (stack+stackRoom)&^4095
	if start < min(end, low) {
		syscall.RawSyscall(unix.SYS_MADVISE, start, min(end, low)-start, unix.MADV_DONTNEED)
	}
	if max(start, high) < end {
		syscall.RawSyscall(unix.SYS_MADVISE, max(start, high), end-max(start, high), unix.MADV_DONTNEED)
	}
}

// readPacket waits for the words of an argument vector and notes where each
// begins.
//
//go:nosplit
//go:norace
//go:nocheckptr
func readPacket(t *table, fd uintptr) syscall.Errno {
	n, _, errno := syscall.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&t.packet[0])), maxPacket-1)
	if errno != 0 {
		return errno
	}
	if n == 0 {
		return unix.ECANCELED
	}
	words, start := 0, true
	for i := uintptr(0); i < n && words < maxArgs; i++ {
		if start {
			t.argv[words] = uintptr(unsafe.Pointer(&t.packet[i]))
			words++
		}
		start = t.packet[i] == 0
	}
	return 0
}

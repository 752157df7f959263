// SPDX-License-Identifier: Apache-2.0

package nsexec

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// settle appends the end of a child that lives on without a program: it gives
// back what it has of our memory, waits for the process in register pid,
// writes the wait status to fd, and waits to be killed or for the end of leave,
// unless that is negative. What that takes lies in pages of its own, as
// everything else is gone by then.
func (p *Program) settle(pid Reg, fd, leave int) error {
	spans, err := writable()
	if err != nil {
		return err
	}
	tail := p.sub()
	for _, s := range spans {
		tail.add("trim", opTrim, 0, 0, []any{s.start, s.end})
	}
	n := len(tail.table.ops)
	tail.Call("wait", unix.SYS_WAIT4, pid, 0, unix.WALL, 0)
	tail.Call("keep status", unix.SYS_WRITE, fd, 0, 4)
	if leave < 0 {
		tail.Pause()
	} else {
		tail.Try("leave", unix.SYS_READ, leave, 0, 1)
		tail.Exit(0)
	}

	ops := tail.table.ops
	size := unsafe.Sizeof(table{}) + uintptr(len(ops))*unsafe.Sizeof(op{}) + 8
	mem, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	t := (*table)(unsafe.Pointer(&mem[0]))
	own := unsafe.Slice((*op)(unsafe.Pointer(&mem[unsafe.Sizeof(table{})])), len(ops))
	copy(own, ops)
	status := uintptr(unsafe.Pointer(&mem[size-8]))
	for i := range own[n:] {
		own[n+i].args[1] = status // where each of them has a buffer, if it has one
	}
	t.ops, t.status, t.allSignals, t.report = own, tail.table.status, tail.table.allSignals, tail.table.report
	p.add("settle", opJump, 0, 0, nil)
	p.table.ops[len(p.table.ops)-1].sub = t
	p.link(tail)
	t.report.index = tail.table.report.index
	p.pages = append(p.pages, mem)
	return nil
}

// span is a piece of address space.
type span struct{ start, end uintptr }

// writable are the parts of our memory that a fork would have to copy: not
// those that stay as they are in the program's file.
func writable() ([]span, error) {
	data, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil, fmt.Errorf("read own memory map: %w", err)
	}
	var spans []span
	for _, line := range strings.Split(string(data), "\n") {
		f := strings.Fields(line)
		// The program's own stack holds what ps(1) shows of it.
		if len(f) < 5 || !strings.HasPrefix(f[1], "rw") || f[len(f)-1] == "[stack]" {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		start, err1 := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		if err1 == nil && err2 == nil {
			spans = append(spans, span{uintptr(start), uintptr(end)})
		}
	}
	return spans, nil
}

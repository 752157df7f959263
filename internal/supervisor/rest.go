// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"

	"golang.org/x/sys/unix"
)

// A rester gives back what waiting does not need: the heap beyond what is in
// use, and the pages of the program itself, which come back from the page
// cache one by one when they are run again.
type rester struct {
	spans  [][2]uintptr
	rested bool
}

// restAfter is how long nothing must have happened before memory is given
// back, in milliseconds.
const restAfter = 300

// newRester looks up where the program lies: only what can be had again,
// mapped from its file and not writable.
func newRester() *rester {
	r := &rester{}
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return r
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return r
	}
	for _, line := range bytes.Split(maps, []byte{'\n'}) {
		f := bytes.Fields(line)
		if len(f) < 6 || string(f[5]) != self || f[1][1] != '-' {
			continue
		}
		from, to, _ := bytes.Cut(f[0], []byte{'-'})
		start, err1 := strconv.ParseUint(string(from), 16, 64)
		end, err2 := strconv.ParseUint(string(to), 16, 64)
		if err1 == nil && err2 == nil {
			r.spans = append(r.spans, [2]uintptr{uintptr(start), uintptr(end - start)})
		}
	}
	debug.FreeOSMemory()
	return r
}

func (r *rester) rest() {
	for _, s := range r.spans {
		_, _, _ = unix.RawSyscall(unix.SYS_MADVISE, s[0], s[1], unix.MADV_DONTNEED)
	}
	r.rested = true
}

// hugePages lets the kernel back the heap with pages of two megabytes, or
// keeps it from that: the watching role has a heap of some kilobytes. The
// setting holds over an exec.
func hugePages(allowed bool) {
	off := uintptr(1)
	if allowed {
		off = 0
	}
	_, _, _ = unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_THP_DISABLE, off, 0, 0, 0, 0)
}

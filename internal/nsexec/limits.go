// SPDX-License-Identifier: Apache-2.0

package nsexec

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An Rlimit is one resource limit of setrlimit(2).
type Rlimit struct {
	Resource   int // RLIMIT_*
	Soft, Hard uint64
}

// String is the form ParseRlimit reads: "RESOURCE=SOFT:HARD" in numbers.
func (r Rlimit) String() string {
	return fmt.Sprintf("%d=%d:%d", r.Resource, r.Soft, r.Hard)
}

// ParseRlimit is the inverse of String.
func ParseRlimit(s string) (Rlimit, error) {
	var r Rlimit
	if _, err := fmt.Sscanf(s, "%d=%d:%d", &r.Resource, &r.Soft, &r.Hard); err != nil {
		return r, fmt.Errorf("parse limit %q: %w", s, err)
	}
	return r, nil
}

// What a process may have open, by custom: programs that close all they may
// have take for ever on a hard limit of a billion, and some keep descriptors in
// sets that hold 1024.
const (
	softFiles = 1024
	hardFiles = 512 << 10
)

// resources are the kinds of limits that there are, RLIMIT_CPU the first.
const resources = 16

// BaseRlimits are those that a process of this machine begins with, whatever
// ours are, which may come from somebody's shell: those of its first process.
func BaseRlimits() []Rlimit {
	var all []Rlimit
	for resource := range resources {
		var l unix.Rlimit
		if unix.Prlimit(1, resource, nil, &l) != nil {
			continue
		}
		if resource == unix.RLIMIT_NOFILE {
			l.Max = min(l.Max, hardFiles)
			l.Cur = min(softFiles, l.Max)
		}
		all = append(all, Rlimit{resource, l.Cur, l.Max})
	}
	return all
}

// AllowRlimits raises our own hard limits to these where they are lower, as a
// process in a user namespace may not raise its own. It returns them, lowered
// to ours where we may not either.
func AllowRlimits(limits []Rlimit) []Rlimit {
	allowed := make([]Rlimit, 0, len(limits))
	for _, want := range limits {
		var l unix.Rlimit
		if unix.Prlimit(0, want.Resource, nil, &l) == nil && l.Max < want.Hard {
			raised := unix.Rlimit{Cur: l.Cur, Max: want.Hard}
			if unix.Prlimit(0, want.Resource, &raised, nil) != nil {
				want.Hard = l.Max
				want.Soft = min(want.Soft, l.Max)
			}
		}
		allowed = append(allowed, want)
	}
	return allowed
}

// Limits are what a process is bound by beyond its namespaces.
type Limits struct {
	Caps    uint64 // capability bounding set, bit n for capability n
	Rlimits []Rlimit
	// Seccomp is a classic BPF program over struct seccomp_data; none when nil.
	Seccomp []unix.SockFilter
}

// LastCap is the highest capability the kernel knows.
var LastCap = sync.OnceValue(func() int {
	data, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
			return n
		}
	}
	return unix.CAP_LAST_CAP
})

// AllCaps is the bounding set with every capability the kernel knows.
func AllCaps() uint64 { return 1<<(LastCap()+1) - 1 }

// limit appends the limits. The seccomp filter comes before the capability
// that installs it may go, and after it nothing but execve is called.
func (p *Program) limit(l Limits) {
	for _, r := range l.Rlimits {
		b := make([]byte, 16)
		binary.NativeEndian.PutUint64(b, r.Soft)
		binary.NativeEndian.PutUint64(b[8:], r.Hard)
		p.Call("prlimit "+strconv.Itoa(r.Resource), unix.SYS_PRLIMIT64, 0, r.Resource, b, 0)
	}
	if len(l.Seccomp) > 0 {
		prog := &unix.SockFprog{Len: uint16(len(l.Seccomp)), Filter: &l.Seccomp[0]}
		p.keep = append(p.keep, l.Seccomp)
		p.Call("seccomp", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, unsafe.Pointer(prog))
	}
	for c := 0; c <= LastCap(); c++ {
		if l.Caps&(1<<c) == 0 {
			p.Call("drop capability "+strconv.Itoa(c), unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		}
	}
}

// SeccompFilter refuses with EPERM the system calls that act on the whole
// machine. Namespaces and capabilities refuse them too; this is the second
// wall, and costs nothing because the kernel remembers constant answers.
func SeccompFilter() []unix.SockFilter {
	refused := []uint32{
		unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE,
		unix.SYS_DELETE_MODULE, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_OPEN_BY_HANDLE_AT,
		unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_ADJTIMEX, unix.SYS_CLOCK_ADJTIME,
		unix.SYS_SYSLOG, unix.SYS_ACCT, unix.SYS_LOOKUP_DCOOKIE,
	}
	refused = append(refused, archRefused...)
	f := []unix.SockFilter{
		// Another architecture's numbers mean other calls; they stay with the
		// first wall.
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 4},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nativeArch, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
	}
	for i, nr := range refused {
		f = append(f, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nr, Jt: uint8(len(refused) - i)})
	}
	return append(f,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)})
}

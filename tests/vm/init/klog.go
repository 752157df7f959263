// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// complaint matches a line of the kernel's log that makes a run fail. Lines
// that a program wrote to /dev/kmsg count as the kernel's own, so that this
// check itself can be tried: echo 'WARNING: trial' >/dev/kmsg
var complaint = regexp.MustCompile(strings.Join([]string{
	`\bWARNING: `, `\bBUG:? `, `\bOops\b`, `\bKASAN\b`, `\bKCSAN\b`, `\bUBSAN\b`, `\bKFENCE\b`, `\bODEBUG\b`,
	`general protection fault`, `kernel paging request`, `NULL pointer dereference`, `Kernel panic`, `kernel BUG`,
	`possible recursive locking`, `possible circular locking`, `inconsistent lock state`, `lock held when returning`,
	`bad unlock balance`, `suspicious RCU usage`, `sleeping function called`, `scheduling while atomic`,
	`held lock freed`, `DEBUG_LOCKS_WARN_ON`, `possible irq lock inversion`, `possible deadlock`,
	`soft lockup`, `hard LOCKUP`, `self-detected stall`, `detected stalls`, `blocked for more than`,
	`refcount_t: `, `list_(add|del) corruption`, `unreferenced object`, `new suspected memory leaks`,
	`cut here`, `PANIC at `, `VERIFY[0-9A-Z]*\(.*failed`, `Showing stack for process`,
	`unregister_netdevice: waiting`, `stack-protector`, `slab-(out-of-bounds|use-after-free)`, `Objects remaining in`,
	`trying to unregister|still has .* users`,
}, "|"))

// harmless matches complaints that say nothing about what is under test; each
// with its reason.
var harmless = regexp.MustCompile(strings.Join([]string{
	`lockdep: .*debugging enabled`, // the debug kernel's greeting
	`kasan: KernelAddressSanitizer initialized`,
	`kmemleak: Kernel memory leak detector`,
	`KCSAN: (enabled|strict|non-strict|selftest)`,
	// OpenZFS's assembly, tried out when it is loaded, uses the frame pointer
	// for its own; a stack looked at meanwhile ends there.
	`kernel stack (regs at|frame pointer at) .* has bad `,
	// What OpenZFS says of devices that a test takes away.
	`WARNING: Pool '\w+' (has encountered an uncorrectable I/O failure|was suspended and is being resumed)`,
	`\bspectre|Spectre V|MDS|RETBLEED|Retbleed`, // an emulated CPU's mitigations
}, "|"))

// taintReported are the bits of kernel.tainted that a report leaves behind:
// died, bad page, warned, soft lockup.
const taintReported = 1<<7 | 1<<5 | 1<<9 | 1<<14

// A kernelLog follows the kernel's log from the guest's start.
type kernelLog struct {
	fd    int
	lines []string
	found []string // complaints
}

// watchKernelLog opens the log at name, at its first line.
func watchKernelLog(name string) (*kernelLog, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("watch kernel log: %w", err)
	}
	return &kernelLog{fd: fd}, nil
}

// drain reads what was logged since the last call.
func (k *kernelLog) drain() error {
	buf := make([]byte, 16<<10)
	for {
		n, err := unix.Read(k.fd, buf)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EPIPE): // lines were overwritten before we read them
			k.lines = append(k.lines, "(lines lost)")
			continue
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("read kernel log: %w", err)
		}
		k.add(string(buf[:n]))
	}
}

// add takes one record: "prefix,seq,microseconds,flags;text\n key=value...".
func (k *kernelLog) add(record string) {
	head, text, ok := strings.Cut(record, ";")
	if !ok {
		return
	}
	text, _, _ = strings.Cut(text, "\n")
	stamp := ""
	if f := strings.Split(head, ","); len(f) > 2 {
		if us, err := strconv.ParseInt(f[2], 10, 64); err == nil {
			stamp = fmt.Sprintf("[%12.6f] ", float64(us)/1e6)
		}
	}
	k.lines = append(k.lines, stamp+text)
	if complaint.MatchString(text) && !harmless.MatchString(text) {
		k.found = append(k.found, text)
	}
}

// kmemleakAge is how old an object must be before kmemleak calls it lost.
const kmemleakAge = 6 * time.Second

// lost asks a debug kernel for memory that nothing points to; other kernels
// have nothing to say.
func lost() string {
	const name = "/sys/kernel/debug/kmemleak"
	if _, err := os.Stat(name); err != nil {
		return ""
	}
	time.Sleep(kmemleakAge)
	// What one scan finds may be a pointer on its way from place to place.
	for range 2 {
		if err := os.WriteFile(name, []byte("scan"), 0); err != nil {
			return fmt.Sprintf("ask for lost memory: %v", err)
		}
	}
	found, err := os.ReadFile(name)
	if err != nil {
		return fmt.Sprintf("ask for lost memory: %v", err)
	}
	return string(found)
}

// verdict is empty when the kernel has nothing to complain of.
func (k *kernelLog) verdict() string {
	if leaks := lost(); leaks != "" {
		k.lines = append(k.lines, strings.Split(leaks, "\n")...)
		k.found = append(k.found, "memory is lost: "+strings.SplitN(leaks, "\n", 2)[0])
	}
	// A report in the making takes a moment to be written whole.
	time.Sleep(20 * time.Millisecond)
	if err := k.drain(); err != nil {
		return err.Error()
	}
	if len(k.found) > 0 {
		return "the kernel complained: " + k.found[0]
	}
	b, err := os.ReadFile("/proc/sys/kernel/tainted")
	if err != nil {
		return fmt.Sprintf("read taint: %v", err)
	}
	taint, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return fmt.Sprintf("read taint: %v", err)
	}
	if taint&taintReported != 0 {
		return fmt.Sprintf("the kernel is tainted (%#x) by a report that is not in its log", taint)
	}
	return ""
}

// tail returns the last n lines that were logged.
func (k *kernelLog) tail(n int) []string {
	_ = k.drain()
	return k.lines[max(0, len(k.lines)-n):]
}

// text returns the last n lines as one text.
func (k *kernelLog) text(n int) string { return strings.Join(k.tail(n), "\n") + "\n" }

// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What is sent while a program has the signals is lost on us, at the latest
// moment too.
func TestInterrupts(t *testing.T) {
	// What starts the tests may have had some ignored, and these stay so.
	ours := uint64(0)
	for _, n := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM} {
		if !signal.Ignored(n) {
			ours |= 1 << (n - 1)
		}
	}
	ctx, i := CatchInterrupts(context.Background())
	self := strconv.Itoa(syscall.Getpid())
	for range 20 {
		release := i.Hold()
		out, err := exec.Command("/bin/sh", "-c", "kill -HUP "+self+"; kill -TERM "+self+"; sed -n s/^SigIgn:.//p /proc/self/status").Output()
		release()
		if mask, bad := strconv.ParseUint(strings.TrimSpace(string(out)), 16, 64); err != nil || bad != nil || mask&ours != 0 {
			t.Fatalf("a program that has the signals ignores some: %s, %v", out, errors.Join(err, bad))
		}
		if ctx.Err() != nil {
			t.Fatal("a signal was heard that was not for us")
		}
	}
	for _, number := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM} {
		if err := syscall.Kill(syscall.Getpid(), number); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Error("an interrupt was not heard")
	}
}

// SPDX-License-Identifier: Apache-2.0

package nsexec

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestKillDoesNotWait kills a child that somebody else traces, and does not wait
// for: the kernel keeps it from us.
func TestKillDoesNotWait(t *testing.T) {
	requireRoot(t)
	start := func(build func(p *Program)) *Child {
		p, err := NewProgram()
		if err != nil {
			t.Fatal(err)
		}
		p.CloseAllBut()
		build(p)
		p.Mark("here", 0)
		p.Pause()
		c, err := p.Start(0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.AwaitMark(background(t)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	child := start(func(*Program) {})
	tracer := start(func(p *Program) {
		p.Call("trace", unix.SYS_PTRACE, unix.PTRACE_SEIZE, child.PID, 0, 0)
	})
	killed := make(chan error, 1)
	go func() { killed <- child.Kill() }()
	select {
	case err := <-killed:
		if !errors.Is(err, errStays) {
			t.Errorf("kill: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("waits")
	}
	if err := tracer.Kill(); err != nil {
		t.Error(err)
	}
}

// TestOwner has a user namespace belong to somebody else than root, who goes on
// as root.
func TestOwner(t *testing.T) {
	requireRoot(t)
	p, err := NewProgram()
	if err != nil {
		t.Fatal(err)
	}
	const pid = Reg(0)
	inside := p.sub()
	inside.CloseAllBut()
	inside.Linger()
	p.CloseAllBut()
	p.as(12345)
	p.Fork(pid, "clone", &CloneArgs{Flags: unix.CLONE_NEWUSER, ExitSignal: uint64(unix.SIGCHLD)}, inside)
	p.as(0)
	p.Mark("pid", pid)
	p.Linger()
	c, err := p.Start(0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Kill()
	n, err := c.AwaitMark(background(t))
	if err != nil {
		t.Fatal(err)
	}
	userns, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", n))
	if err != nil {
		t.Fatal(err)
	}
	defer userns.Close()
	owner, err := unix.IoctlGetUint32(int(userns.Fd()), unix.NS_GET_OWNER_UID)
	if err != nil || owner != 12345 {
		t.Errorf("owner %d, %v", owner, err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.PID))
	if err != nil || !strings.Contains(string(status), "\nUid:\t0\t0\t0\t0\n") {
		t.Errorf("%s, %v", status, err)
	}
}

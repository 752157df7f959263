// SPDX-License-Identifier: Apache-2.0

package nsexec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func background(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func requireRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("requires root")
	}
}

func TestExec(t *testing.T) {
	for range 50 {
		p, err := NewProgram()
		if err != nil {
			t.Fatal(err)
		}
		p.Exec("/bin/sh", []string{"sh", "-c", "exit 7"}, nil)
		c, err := p.Start(0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AwaitExec(background(t)); err != nil {
			t.Fatal(err)
		}
		if s, err := c.Wait(); err != nil || s.ExitStatus() != 7 {
			t.Fatalf("status %v, %v", s, err)
		}
		c.Close()
	}
}

func TestWaitFor(t *testing.T) {
	for _, test := range []struct {
		command string
		want    error
	}{{"exit 7", nil}, {"exec sleep 1000", context.DeadlineExceeded}} {
		p, err := NewProgram()
		if err != nil {
			t.Fatal(err)
		}
		p.Exec("/bin/sh", []string{"sh", "-c", test.command}, nil)
		c, err := p.Start(0, -1)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		s, err := c.WaitFor(ctx)
		cancel()
		if !errors.Is(err, test.want) || s.Exited() == (test.want != nil) {
			t.Errorf("%s: %v, %v", test.command, s, err)
		}
		c.Close()
	}
}

func TestFailuresNameTheCall(t *testing.T) {
	p, err := NewProgram()
	if err != nil {
		t.Fatal(err)
	}
	p.Try("ignored", unix.SYS_CHDIR, "/nonexistent")
	p.Exec("/nonexistent", []string{"x"}, nil)
	c, err := p.Start(0, -1)
	if err != nil {
		t.Fatal(err)
	}
	err = c.AwaitExec(background(t))
	var call *CallError
	if !errors.As(err, &call) || call.Call != "execve /nonexistent" || !errors.Is(err, unix.ENOENT) {
		t.Errorf("got %v", err)
	}
	c.Wait()
	c.Close()
}

func TestRegistersAndMarks(t *testing.T) {
	p, err := NewProgram()
	if err != nil {
		t.Fatal(err)
	}
	p.Set(3, "getpid", unix.SYS_GETPID)
	p.Mark("pid", 3)
	p.Pause()
	c, err := p.Start(0, -1)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := c.AwaitMark(background(t)); err != nil || int(v) != c.PID {
		t.Errorf("mark %d, %v; pid %d", v, err, c.PID)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.AwaitMark(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a silent child: %v", err)
	}
	if err := c.Kill(); err != nil {
		t.Error(err)
	}
}

// A child that is there for its parent only ends when nobody can read its marks
// any more, as when the parent was killed.
func TestLinger(t *testing.T) {
	p, err := NewProgram()
	if err != nil {
		t.Fatal(err)
	}
	p.CloseAllBut()
	p.Mark("there", 0)
	p.Linger()
	c, err := p.Start(0, -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.AwaitMark(background(t)); err != nil {
		t.Fatal(err)
	}
	ended := func(ms int) bool {
		set := []unix.PollFd{{Fd: int32(c.PIDFD.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(set, ms)
		for errors.Is(err, unix.EINTR) {
			n, err = unix.Poll(set, ms)
		}
		return n == 1 && err == nil
	}
	if ended(50) {
		t.Error("it did not wait")
	}
	c.Status.Close()
	if !ended(10000) {
		t.Error("it did not end")
	}
	if status, err := c.WaitFor(background(t)); err != nil || !status.Exited() {
		t.Errorf("%v, %v", status, err)
	}
	c.PIDFD.Close()
}

func TestTitle(t *testing.T) {
	p, err := NewProgram()
	if err != nil {
		t.Fatal(err)
	}
	p.entitle("zone-keeper web")
	p.Mark("made", 0)
	p.Pause()
	c, err := p.Start(0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Kill()
	if _, err := c.AwaitMark(background(t)); err != nil {
		t.Fatal(err)
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", c.PID))
	if err != nil || strings.TrimRight(string(line), "\x00") != "zone-keeper web" {
		t.Errorf("%q, %v", line, err)
	}
	if own, err := os.ReadFile("/proc/self/cmdline"); err != nil || strings.Contains(string(own), "keeper") {
		t.Errorf("our own is %q, %v", own, err)
	}
}

func TestExecLater(t *testing.T) {
	p, err := NewProgram()
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	p.ExecLater(ends[0], []string{"WHAT=5"})
	c, err := p.Start(0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := SendExec(ends[1], "/bin/sh", []string{"sh", "-c", `test "$0" = "a b" -a -z "$1" && exit $WHAT`, "a b", ""}); err != nil {
		t.Fatal(err)
	}
	if err := c.AwaitExec(background(t)); err != nil {
		t.Fatal(err)
	}
	if s, _ := c.Wait(); s.ExitStatus() != 5 {
		t.Errorf("status %v", s)
	}
	if err := SendExec(ends[1], "/x", make([]string, maxArgs)); !errors.Is(err, unix.E2BIG) {
		t.Errorf("too many words: %v", err)
	}
	unix.Close(ends[0])
	unix.Close(ends[1])
}

// container is a shell in new namespaces of every kind.
func container(t *testing.T) *os.File {
	t.Helper()
	requireRoot(t)
	cmd := exec.Command("/bin/sh", "-c", "mount -t proc proc /proc; mount -t tmpfs tmpfs /mnt; echo inside >/mnt/f; ln -s /mnt/f /mnt/l; echo; exec sleep 1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS |
			unix.CLONE_NEWIPC | unix.CLONE_NEWCGROUP | unix.CLONE_NEWNET,
		UidMappings:                []syscall.SysProcIDMap{{HostID: 100000, Size: 65536}},
		GidMappings:                []syscall.SysProcIDMap{{HostID: 100000, Size: 65536}},
		GidMappingsEnableSetgroups: true,
		Credential:                 &syscall.Credential{},
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	t.Cleanup(func() { f.Close() })
	return f
}

func TestEnter(t *testing.T) {
	target := container(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	null, _ := os.Open("/dev/null")
	defer null.Close()
	const script = `id -u; id -G; pwd; echo $TERM; cat /mnt/f; ls /proc/self/fd | wc -l; ulimit -n; ps -o pid= 2>/dev/null | wc -l >/dev/null
		grep CapBnd /proc/self/status; grep Seccomp: /proc/self/status; chroot / true && echo chroots; exit 9`
	e := &Enter{Target: target, UID: 5, GID: 6, Groups: []uint32{7, 8}, Dir: "/mnt", Path: "/bin/sh",
		Argv: []string{"sh", "-c", script}, Env: []string{"TERM=x"}, Stdin: null, Stdout: w, Stderr: w,
		Limits: Limits{Caps: 1 << unix.CAP_CHOWN, Rlimits: []Rlimit{{unix.RLIMIT_NOFILE, 100, 200}}, Seccomp: SeccompFilter()}}
	c, err := e.Start(background(t))
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	out, _ := io.ReadAll(r)
	status, err := c.Wait()
	if err != nil || status.ExitStatus() != 9 {
		t.Errorf("status %v, %v", status, err)
	}
	c.Close()
	want := "5\n6 7 8\n/mnt\nx\ninside\n4\n100\nCapBnd:\t0000000000000001\nSeccomp:\t2\n"
	got := strings.Join(strings.Split(string(out), "\n")[:9], "\n") + "\n"
	if got != want || strings.Contains(string(out), "chroots") {
		t.Errorf("got %q, want %q", out, want)
	}
}

// What is left of a process after its end is gone before anybody asks: we may
// be stopped.
func TestEndDoesNotWait(t *testing.T) {
	target := container(t)
	null, _ := os.OpenFile("/dev/null", os.O_RDWR, 0)
	defer null.Close()
	e := &Enter{Target: target, Path: "/bin/sh", Argv: []string{"sh", "-c", "exit 7"}, Stdin: null, Stdout: null, Stderr: null,
		Limits: Limits{Caps: AllCaps()}}
	c, err := e.Start(background(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if unix.Kill(c.PID, 0) != nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it is still there")
		}
	}
	if status, err := c.Wait(); err != nil || status.ExitStatus() != 7 {
		t.Errorf("status %v, %v", status, err)
	}
}

// A process begins with the machine's limits, not with ours.
func TestBaseRlimits(t *testing.T) {
	target := container(t)
	var was unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_CORE, nil, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(0, unix.RLIMIT_CORE, &unix.Rlimit{Cur: 4096, Max: was.Max}, nil); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Prlimit(0, unix.RLIMIT_CORE, &was, nil) }()
	limits := BaseRlimits()
	if len(limits) != resources {
		t.Fatalf("%d limits", len(limits))
	}
	limits = AllowRlimits(limits)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	null, _ := os.Open("/dev/null")
	defer null.Close()
	e := &Enter{Target: target, Path: "/bin/cat", Argv: []string{"cat", "/proc/self/limits"}, Stdin: null, Stdout: w, Stderr: w,
		Limits: Limits{Caps: AllCaps(), Rlimits: limits}}
	c, err := e.Start(background(t))
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	got, _ := io.ReadAll(r)
	if _, err := c.Wait(); err != nil {
		t.Error(err)
	}
	c.Close()
	for _, l := range limits {
		word := map[int]string{unix.RLIMIT_CORE: "Max core file size", unix.RLIMIT_NOFILE: "Max open files"}[l.Resource]
		if word == "" {
			continue
		}
		_, line, _ := strings.Cut(string(got), word)
		if f := strings.Fields(line); len(f) < 2 || f[0] != number(l.Soft) || f[1] != number(l.Hard) {
			t.Errorf("%s: %v, want %d and %d", word, f[:2], l.Soft, l.Hard)
		}
	}
}

func number(limit uint64) string {
	if limit == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return strconv.FormatUint(limit, 10)
}

func TestOpenIn(t *testing.T) {
	target := container(t)
	f, err := OpenIn(background(t), target, "/mnt/l", unix.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, _ := io.ReadAll(f); string(b) != "inside\n" {
		t.Errorf("read %q", b)
	}
	if _, err := OpenIn(background(t), target, "/mnt/none", unix.O_RDONLY); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestWriteIn(t *testing.T) {
	target := container(t)
	const file = "/proc/sys/kernel/shmmni"
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteIn(background(t), target, unix.CLONE_NEWIPC, 100000, file, "77"); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	null, _ := os.Open("/dev/null")
	defer null.Close()
	e := &Enter{Target: target, Path: "/bin/cat", Argv: []string{"cat", file}, Stdin: null, Stdout: w, Stderr: w, Limits: Limits{Caps: AllCaps()}}
	c, err := e.Start(background(t))
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	inside, _ := io.ReadAll(r)
	c.Wait()
	c.Close()
	after, _ := os.ReadFile(file)
	if string(inside) != "77\n" || string(after) != string(before) {
		t.Errorf("inside %q, outside %q, before %q", inside, after, before)
	}
}

func TestRlimitRoundTrip(t *testing.T) {
	r := Rlimit{7, 1024, 1 << 63}
	if back, err := ParseRlimit(r.String()); err != nil || back != r {
		t.Errorf("%v, %v", back, err)
	}
	if _, err := ParseRlimit("x"); err == nil {
		t.Error("parsed x")
	}
}

// Who starts a first process may be nice: that stays with him.
func TestPlain(t *testing.T) {
	requireRoot(t)
	p, err := NewProgram()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.Call("nice", unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 0, 7)
	p.Call("no huge pages", unix.SYS_PRCTL, unix.PR_SET_THP_DISABLE, 1, 0, 0, 0)
	p.plain()
	p.Call("dup", unix.SYS_DUP3, int(w.Fd()), 1, 0)
	p.Exec("/bin/cat", []string{"cat", "/proc/self/stat", "/proc/self/status"}, nil)
	c, err := p.Start(0, -1)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	stat, _ := io.ReadAll(r)
	if _, err := c.Wait(); err != nil {
		t.Error(err)
	}
	c.Close()
	if f := strings.Fields(string(stat)); len(f) < 41 || f[18] != "0" || f[40] != "0" {
		t.Errorf("nice value or policy is inherited: %s", stat)
	}
	if strings.Contains(string(stat), "THP_enabled:\t0") {
		t.Error("it does without huge pages")
	}
}

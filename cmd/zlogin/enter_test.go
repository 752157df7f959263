// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zones/internal/cli"
	"zones/internal/control"
	"zones/internal/nsexec"
	"zones/internal/zone"
)

const testBase = 1 << 20 // the host's id of the stand-in's root

// standIn is a process in namespaces of its own, over the host's files: all
// that zlogin needs of a zone.
func standIn(t *testing.T) *target {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("requires root")
	}
	cmd := exec.Command("/bin/sh", "-c", "mount -t proc proc /proc && mount --make-rprivate / && mount -t tmpfs tmpfs /root && echo up && sleep 1000")
	maps := []syscall.SysProcIDMap{{ContainerID: 0, HostID: testBase, Size: 65536}}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS |
			syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET | syscall.CLONE_NEWCGROUP,
		UidMappings: maps, GidMappings: maps, GidMappingsEnableSetgroups: true,
		Credential: &syscall.Credential{},
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if line := make([]byte, 3); !readFull(out, line) {
		t.Fatal("the stand-in did not come up")
	}
	start, _, err := control.StartTime(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return &target{name: "z1", state: zone.Running, record: &control.Record{
		Name: "z1", PID: cmd.Process.Pid, Start: start, UIDBase: testBase, UIDCount: 65536,
		CapsKept: nsexec.AllCaps(), Rlimits: []string{"7=100:200"},
	}}
}

func readFull(r io.Reader, b []byte) bool {
	_, err := io.ReadFull(r, b)
	return err == nil
}

// login runs zlogin's command mode against the stand-in.
func (t *target) login(test *testing.T, stdin io.Reader, args ...string) (status int, stdout, stderr string, err error) {
	test.Helper()
	o, err := parse(append(slices.Clone(args[:len(args)-1]), "z1", args[len(args)-1]))
	if err != nil {
		test.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		test.Fatal(err)
	}
	defer r.Close()
	go func() {
		if stdin != nil {
			_, _ = io.Copy(w, stdin)
		}
		w.Close()
	}()
	var out, errs bytes.Buffer
	say := &cli.Speaker{Program: "zlogin", Out: &out, Err: &errs}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	status, err = t.command(ctx, o, r, say)
	return status, out.String(), errs.String(), err
}

func TestCommand(t *testing.T) {
	z := standIn(t)
	for _, c := range []struct {
		line, stdin    string
		status         int
		stdout, stderr string
	}{
		{"exit 3", "", 3, "", ""},
		{"echo '$HOME'", "", 0, "$HOME\n", ""},
		{"echo $HOME", "", 0, "/root\n", ""},
		{"cat", "hello\n", 0, "hello\n", ""},
		{"cat /dev/stdin >/dev/stdout; echo err >/dev/stderr", "hello\n", 0, "hello\n", "err\n"},
		{"echo out; echo err >&2; exit 255", "", 255, "out\n", "err\n"},
		{"kill -9 $$", "", 0, "", ""},
		{"exec 2>/dev/null; sh -c 'kill -9 $$'; exit $?", "", 137, "", ""},
		{"echo a; sleep 60 & exit 4", "", 4, "a\n", ""},
		{"exec <&-; echo done", "x", 0, "done\n", ""},
		{"pwd", "", 0, "/root\n", ""},
		{"id -u; id -G", "", 0, "0\n0\n", ""},
		{"ulimit -n", "", 0, "100\n", ""},
		{"exit 0;", "", 0, "", ""},
	} {
		status, stdout, stderr, err := z.login(t, strings.NewReader(c.stdin), c.line)
		if status != c.status || stdout != c.stdout || stderr != c.stderr || err != nil {
			t.Errorf("%s:\n got %d %q %q %v\nwant %d %q %q", c.line, status, stdout, stderr, err, c.status, c.stdout, c.stderr)
		}
	}
}

// TestOutputIsComplete sends more than pipes hold through both directions.
func TestOutputIsComplete(t *testing.T) {
	z := standIn(t)
	in := strings.Repeat("0123456789abcdef", 1<<19)
	status, stdout, _, err := z.login(t, strings.NewReader(in), "cat; echo end")
	if status != 0 || err != nil || stdout != in+"end\n" {
		t.Errorf("status %d, %v, %d of %d bytes", status, err, len(stdout), len(in)+4)
	}
}

// likelyVictim gives this process a score of its own, as supervisors and some
// services have one.
func likelyVictim(t *testing.T) {
	const score = "/proc/self/oom_score_adj"
	before, err := os.ReadFile(score)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(score, []byte("300"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.WriteFile(score, before, 0) })
}

// TestNothingLeaks lists what a command sees.
func TestNothingLeaks(t *testing.T) {
	t.Setenv("SECRET_OF_HOST", "x")
	t.Setenv("TERM", "vt220")
	z := standIn(t)
	kept, err := os.Open("/etc/hostname")
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	// A descriptor without close-on-exec is what a careless caller leaves.
	if _, err := unix.FcntlInt(kept.Fd(), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	likelyVictim(t)
	runtime.LockOSThread() // a session keyring belongs to a thread
	// A key that whoever shares our session keyring could read.
	if _, err := unix.KeyctlJoinSessionKeyring("zlogin_test"); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.AddKey("user", "secret_of_host", []byte("x"), unix.KEY_SPEC_SESSION_KEYRING); err != nil {
		t.Fatal(err)
	}
	see := func(line string) string {
		t.Helper()
		status, stdout, stderr, err := z.login(t, nil, line)
		if status != 0 || err != nil {
			t.Errorf("%s: %d, %v, %s", line, status, err, stderr)
		}
		return stdout
	}
	env := strings.Fields(see("cat /proc/self/environ | tr '\\0' '\\n'"))
	slices.Sort(env)
	want := []string{"HOME=/root", "LOGNAME=root", "MAIL=/var/mail/root", "PATH=/usr/sbin:/usr/bin",
		"SHELL=/bin/bash", "TERM=vt220"}
	// The shell adds what it knows itself.
	env = slices.DeleteFunc(env, func(e string) bool {
		return strings.HasPrefix(e, "PWD=") || strings.HasPrefix(e, "OLDPWD=") || strings.HasPrefix(e, "SHLVL=") || strings.HasPrefix(e, "_=")
	})
	if !slices.Equal(env, want) {
		t.Errorf("environment %q, want %q", env, want)
	}
	if fds := see("for fd in /proc/$$/fd/*; do case ${fd##*/} in 0|1|2|255) ;; *) readlink $fd;; esac; done; true"); fds != "" {
		t.Errorf("descriptors beyond the first three: %s", fds)
	}
	for i, line := range strings.Fields(see("readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2")) {
		if !strings.HasPrefix(line, "pipe:") {
			t.Errorf("descriptor %d is %s, not a pipe of its own", i, line)
		}
	}
	if tty := see("ps -o tty= -p $$"); strings.TrimSpace(tty) != "?" {
		t.Errorf("controlling terminal %q", tty)
	}
	const search = `perl -e '$t = "user"; $d = "secret_of_host"; print syscall(%d, 10, -3, $t, $d, 0)'`
	if key := see(fmt.Sprintf(search, unix.SYS_KEYCTL)); key != "-1" {
		t.Errorf("the host's session keyring is in reach: key %s", key)
	}
	mine := func(ns string) string { link, _ := os.Readlink("/proc/self/ns/" + ns); return link }
	for _, ns := range []string{"user", "pid", "mnt", "uts", "ipc", "net", "cgroup"} {
		if got := strings.TrimSpace(see("readlink /proc/self/ns/" + ns)); got == mine(ns) || got == "" {
			t.Errorf("namespace %s is %q, the host's", ns, got)
		}
	}
	if score := strings.TrimSpace(see("cat /proc/self/oom_score_adj")); score != "0" {
		t.Errorf("it has inherited the score %s", score)
	}
	status := see("cat /proc/self/status")
	for _, line := range []string{"Umask:\t0022", "SigBlk:\t0000000000000000", "Seccomp:\t2"} {
		if !strings.Contains(status, line) {
			t.Errorf("status lacks %q:\n%s", line, status)
		}
	}
	if parent := strings.TrimSpace(see("awk '/^PPid/ {print $2}' /proc/$$/status")); parent != "0" {
		t.Errorf("parent is %s, in the zone's sight", parent)
	}
	if sid := see("ps -o pid=,sid=,pgid= -p $$"); len(slices.Compact(strings.Fields(sid))) != 1 {
		t.Errorf("not a session of its own: %s", sid)
	}
}

// A home that its user may not enter is as good as none, and he is told.
func TestForbiddenHome(t *testing.T) {
	z := standIn(t)
	const line = "mkdir /root/etc /root/home && chmod 755 /root && chmod 700 /root/home && " +
		"echo 'app:x:1000:1000::/root/home:/bin/sh' >/root/etc/passwd && mount --bind /root/etc /etc"
	if status, _, stderr, err := z.login(t, nil, "-S", line); status != 0 || err != nil {
		t.Fatal(status, stderr, err)
	}
	status, stdout, stderr, err := z.login(t, nil, "-l", "app", "pwd")
	if want := "Could not chdir to home directory /root/home: Permission denied\n"; status != 0 || stdout != "/\n" || stderr != want || err != nil {
		t.Errorf("%d %q %q %v", status, stdout, stderr, err)
	}
}

// Who cannot be given his shell is told which that is.
func TestMissingShell(t *testing.T) {
	z := standIn(t)
	const line = "mkdir /root/etc && echo 'app:x:1000:1000::/:/bin/none' >/root/etc/passwd && mount --bind /root/etc /etc"
	if status, _, stderr, err := z.login(t, nil, "-S", line); status != 0 || err != nil {
		t.Fatal(status, stderr, err)
	}
	_, _, _, err := z.login(t, nil, "-l", "app", "true")
	if want := "could not run /bin/none in zone z1: No such file or directory"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestUsers(t *testing.T) {
	z := standIn(t)
	status, stdout, _, err := z.login(t, nil, "-l", "daemon", "id -un; id -u; pwd; echo $HOME")
	// daemon's shell is nologin: it says so and fails.
	if err != nil || status == 0 {
		t.Errorf("daemon: %d %q %v", status, stdout, err)
	}
	if _, _, _, err := z.login(t, nil, "-l", "nobody-here", "true"); err == nil || !strings.Contains(err.Error(), "nobody-here") {
		t.Errorf("unknown user: %v", err)
	}
	status, stdout, stderr, err := z.login(t, nil, "-S", "echo $HOME $SHELL; pwd")
	if status != 0 || stdout != "/ /bin/sh\n/\n" || stderr != "" || err != nil {
		t.Errorf("safe: %d %q %q %v", status, stdout, stderr, err)
	}
}

// TestLease reads a file on which somebody has a lease, as long as he likes: it
// is not asked for for ever.
func TestLease(t *testing.T) {
	dir := t.TempDir()
	passwd, err := os.OpenFile(dir+"/passwd", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer passwd.Close()
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, err := unix.FcntlInt(passwd.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Fatal(err)
	}
	r := &zoneRoot{fd: int(root.Fd()), ids: 65536}
	done := make(chan error, 1)
	go func() {
		_, err := r.read("passwd")
		done <- err
	}()
	select {
	case err := <-done:
		if err != unix.EAGAIN {
			t.Errorf("read: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("still asks")
	}
}

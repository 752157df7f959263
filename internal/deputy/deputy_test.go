// SPDX-License-Identifier: Apache-2.0

package deputy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// start serves on a socket of the test's own.
func start(t *testing.T, decide Decider) {
	t.Helper()
	place = filepath.Join(t.TempDir(), "sock")
	l, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, 0, decide) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func TestAsk(t *testing.T) {
	asked := make(chan Request, 1)
	start(t, func(r *Request) *exec.Cmd {
		asked <- Request{Program: r.Program, Args: r.Args, UID: r.UID, GID: r.GID}
		return exec.Command("/bin/sh", "-c", "cat; echo wrong >&2; exit 3")
	})
	in, give := pipe(t)
	out, outW := pipe(t)
	errs, errsW := pipe(t)
	if _, err := give.WriteString("hello"); err != nil {
		t.Fatal(err)
	}
	give.Close()
	args := []string{"-z", "web", "", "boot 1", "caf\xe9 <&>"} // the last is no UTF-8
	status, err := Ask(context.Background(), "zoneadm", args, [3]*os.File{in, outW, errsW}, false)
	if err != nil || status != 3 {
		t.Fatalf("status %d, %v", status, err)
	}
	outW.Close()
	errsW.Close()
	said, _ := io.ReadAll(out)
	wrong, _ := io.ReadAll(errs)
	if string(said) != "hello" || string(wrong) != "wrong\n" {
		t.Errorf("said %q and %q", said, wrong)
	}
	r := <-asked
	if r.Program != "zoneadm" || !slices.Equal(r.Args, args) ||
		int(r.UID) != os.Getuid() || int(r.GID) != os.Getgid() {
		t.Errorf("asked for %+v", r)
	}
}

// A command line that is long arrives whole, and one that is too long is refused.
func TestLong(t *testing.T) {
	asked := make(chan int, 1)
	start(t, func(r *Request) *exec.Cmd {
		asked <- len(r.Args[0])
		return exec.Command("/bin/true")
	})
	streams := [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	long := strings.Repeat("x", 128<<10)
	if status, err := Ask(context.Background(), "zoneadm", []string{long}, streams, false); status != 0 || err != nil {
		t.Fatalf("status %d, %v", status, err)
	}
	if n := <-asked; n != len(long) {
		t.Errorf("%d bytes came of %d", n, len(long))
	}
	if _, err := Ask(context.Background(), "zoneadm", []string{long, long}, streams, false); !errors.Is(err, unix.E2BIG) {
		t.Errorf("too long: %v", err)
	}
}

// A command that a signal ends is told from one that fails.
func TestSignalled(t *testing.T) {
	start(t, func(*Request) *exec.Cmd { return exec.Command("/bin/sh", "-c", "kill -PIPE $$") })
	status, err := Ask(context.Background(), "zlogin", nil, [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, false)
	if want := 128 + int(unix.SIGPIPE); status != want || err != nil {
		t.Errorf("status %d, %v, want %d", status, err, want)
	}
}

func TestRefusedAndAbsent(t *testing.T) {
	start(t, func(*Request) *exec.Cmd { return nil })
	streams := [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	if _, err := Ask(context.Background(), "zoneadm", nil, streams, false); !errors.Is(err, ErrRefused) {
		t.Errorf("refused: %v", err)
	}
	place = filepath.Join(t.TempDir(), "none")
	if _, err := Ask(context.Background(), "zoneadm", nil, streams, false); !errors.Is(err, ErrAbsent) {
		t.Errorf("absent: %v", err)
	}
}

// An interrupt reaches the command and what it runs, and its end is waited for.
// So does the caller's end.
func TestInterrupt(t *testing.T) {
	if signal.Ignored(syscall.SIGINT) {
		// As it is for what a shell starts behind its back.
		out, err := exec.Command("env", "--default-signal=INT", os.Args[0], "-test.run=^TestInterrupt$").CombinedOutput()
		if err != nil {
			t.Errorf("%v:\n%s", err, out)
		}
		return
	}
	for name, end := range map[string]func(cancel func()){
		"signal":  func(func()) { _ = syscall.Kill(os.Getpid(), syscall.SIGINT) },
		"context": func(cancel func()) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			start(t, func(*Request) *exec.Cmd {
				return exec.Command("/bin/sh", "-c", "trap 'echo twice; exit 4' INT; sh -c 'trap \"echo once; exit\" INT; echo up; while :; do sleep 0.1; done'; exit 5")
			})
			out, outW := pipe(t)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			type result struct {
				status int
				err    error
			}
			ended := make(chan result, 1)
			go func() {
				status, err := Ask(ctx, "zoneadm", nil, [3]*os.File{os.Stdin, outW, os.Stderr}, false)
				outW.Close()
				ended <- result{status, err}
			}()
			said := bufio.NewReader(out)
			if line, err := said.ReadString('\n'); line != "up\n" {
				t.Fatalf("%q, %v", line, err)
			}
			end(cancel)
			select {
			case r := <-ended:
				if r.status != 4 || r.err != nil {
					t.Errorf("status %d, %v", r.status, r.err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("Ask waits on")
			}
			if rest, _ := io.ReadAll(said); string(rest) != "once\ntwice\n" {
				t.Errorf("said %q", rest)
			}
		})
	}
}

// What is no request costs the service nothing.
func TestNonsense(t *testing.T) {
	start(t, func(r *Request) *exec.Cmd {
		t.Errorf("decided over %+v", r)
		return nil
	})
	for _, data := range []string{"", "{", `{"Program":"zoneadm"}`, "\x00\xff"} {
		conn, err := net.Dial("unix", place)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, data)
		_ = conn.(*net.UnixConn).CloseWrite()
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if answer, err := io.ReadAll(conn); len(answer) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q: answered %q, %v", data, answer, err)
		}
		conn.Close()
	}
}

// Nobody keeps others out, by connections on which he asks for nothing or by
// commands that go on.
func TestShares(t *testing.T) {
	var u users
	for i := range guestsEach + 1 {
		if got := u.enter(1000); got != (i < guestsEach) {
			t.Errorf("connection %d of one user: %v", i, got)
		}
	}
	if !u.enter(1001) || !u.enter(0) {
		t.Error("another one was kept out")
	}
	u.leave(1000)
	if !u.enter(1000) {
		t.Error("a place that was left is taken")
	}
	for i := range atMost + 1 {
		room := u.admit(1000)
		if (room != nil) != (i < atMost) {
			t.Errorf("command %d of one user: %v", i, room != nil)
		}
		if i < atOnce {
			room <- struct{}{}
		}
		u.enter(1000)
	}
	if room := u.admit(1001); len(room) > 0 || cap(room) != atOnce {
		t.Errorf("%d of %d places of another user are taken", len(room), cap(room))
	}
	u.end(1001)
	if u.leave(0); len(u.share) != 1 {
		t.Errorf("shares are left: %v", u.share)
	}
}

// asker, set, makes the test program a caller of the socket that it names.
const asker = "DEPUTY_TEST_ASKER"

func TestMain(m *testing.M) {
	if place = os.Getenv(asker); place != "" {
		status, err := Ask(context.Background(), "zlogin", nil, [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, true)
		if err != nil {
			status = 99
		}
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// A command stops and goes on with its caller, and is interrupted in between when
// that ends.
func TestStop(t *testing.T) {
	pids := make(chan string, 1)
	start(t, func(*Request) *exec.Cmd {
		return exec.Command("/bin/sh", "-c", "trap 'echo ended; exit 4' INT; echo $$; while :; do :; done")
	})
	for name, end := range map[string]func(*os.Process){
		"going on": func(p *os.Process) { _ = p.Signal(unix.SIGCONT); _ = p.Signal(unix.SIGINT) },
		"killed":   func(p *os.Process) { _ = p.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			out, outW := pipe(t)
			cmd := exec.Command("env", "--default-signal=TSTP,INT", os.Args[0])
			cmd.Env, cmd.Stdout = append(os.Environ(), asker+"="+place), outW
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			outW.Close()
			said := bufio.NewReader(out)
			go func() { line, _ := said.ReadString('\n'); pids <- strings.TrimSpace(line) }()
			pid := <-pids
			state := func(pid string) string {
				stat, _ := os.ReadFile("/proc/" + pid + "/stat")
				_, rest, _ := strings.Cut(string(stat), ") ")
				return rest[:min(1, len(rest))]
			}
			_ = cmd.Process.Signal(unix.SIGTSTP)
			for range 1000 {
				if state(pid) == "T" && state(strconv.Itoa(cmd.Process.Pid)) == "T" {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if got := state(pid); got != "T" {
				t.Errorf("the command is in state %s", got)
			}
			end(cmd.Process)
			_ = cmd.Wait()
			if rest, _ := io.ReadAll(said); string(rest) != "ended\n" {
				t.Errorf("said %q", rest)
			}
			if name == "going on" && cmd.ProcessState.ExitCode() != 4 {
				t.Errorf("%v", cmd.ProcessState)
			}
		})
	}
}

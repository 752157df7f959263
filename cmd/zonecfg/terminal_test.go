// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"zones/internal/store"
	"zones/internal/zone"
)

// A tty is a session at a real terminal.
type tty struct {
	t    *testing.T
	root string
	home string
	cmd  *exec.Cmd
	ptmx *os.File

	mu   sync.Mutex
	seen string // what was printed and not yet expected, without escape sequences
	done chan struct{}
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]|\r")

// startTTY runs zonecfg at a terminal, in an alternate root that has the zones
// that scripts made.
func startTTY(t *testing.T, env []string, setup string, args ...string) *tty {
	t.Helper()
	s := &tty{t: t, root: inMemory(t), home: t.TempDir(), done: make(chan struct{})}
	if err := os.MkdirAll(filepath.Join(s.root, "etc/zones"), 0o755); err != nil {
		t.Fatal(err)
	}
	if setup != "" {
		s.zonecfg("z", strings.ReplaceAll(setup, "$R", s.root))
	}
	s.cmd = exec.Command("zonecfg", append([]string{"-R", s.root}, args...)...)
	s.cmd.Env = append(os.Environ(), append([]string{"TERM=xterm", "HOME=" + s.home, "XDG_STATE_HOME=", "PAGER=cat"}, env...)...)
	ptmx, err := pty.StartWithSize(s.cmd, &pty.Winsize{Rows: 50, Cols: 120})
	if err != nil {
		t.Fatal(err)
	}
	s.ptmx = ptmx
	go s.read()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		ptmx.Close()
	})
	return s
}

func (s *tty) zonecfg(name, script string) string {
	s.t.Helper()
	out, err := exec.Command("zonecfg", "-R", s.root, "-z", name, script).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

func (s *tty) read() {
	defer close(s.done)
	buf := make([]byte, 4096)
	for {
		n, err := s.ptmx.Read(buf)
		s.mu.Lock()
		s.seen += escapes.ReplaceAllString(string(buf[:n]), "")
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// expect waits until text is printed, and returns what came before it.
func (s *tty) expect(text string) string {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		before, after, found := strings.Cut(s.seen, text)
		if found {
			s.seen = after
			s.mu.Unlock()
			return before
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.t.Fatalf("no %q in %q", text, s.seen)
	return ""
}

func (s *tty) send(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.ptmx, text); err != nil {
		s.t.Fatal(err)
	}
}

// await waits until all texts are printed, in whatever order.
func (s *tty) await(texts ...string) {
	s.t.Helper()
	var missing string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		missing = ""
		for _, text := range texts {
			if !strings.Contains(s.seen, text) {
				missing = text
			}
		}
		s.mu.Unlock()
		if missing == "" {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.t.Fatalf("no %q in %q", missing, s.seen)
}

// settle forgets what was printed, once nothing more is.
func (s *tty) settle() {
	for last := -1; ; time.Sleep(30 * time.Millisecond) {
		s.mu.Lock()
		if len(s.seen) == last {
			s.seen = ""
			s.mu.Unlock()
			return
		}
		last = len(s.seen)
		s.mu.Unlock()
	}
}

// line types a command at the prompt and waits for the next prompt.
func (s *tty) line(text, prompt string) string {
	s.t.Helper()
	s.send(text + "\r")
	return s.expect(prompt)
}

// status waits for the end of the session.
func (s *tty) status() int {
	s.t.Helper()
	end := make(chan error, 1)
	go func() { end <- s.cmd.Wait() }()
	select {
	case err := <-end:
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		return 0
	case <-time.After(20 * time.Second):
		s.t.Fatal("the session does not end")
	}
	return -1
}

const (
	simple = "create -b; set zonepath=$R/zones/z"
	prompt = "zonecfg:z> "
)

func rule(t *testing.T, name string, f func(*testing.T)) { t.Run(name, f) }

func TestTerminal(t *testing.T) {
	rule(t, "RUN-11", func(t *testing.T) {
		s := startTTY(t, nil, simple, "-z", "z", "-f", "-")
		s.expect(prompt)
		s.line("add net", "zonecfg:z:net> ")
		s.send("\x04")
		s.expect("Resource incomplete; really quit (y/[n])? ")
		s.send("n\r")
		if got := s.status(); got != 1 {
			t.Errorf("exit status %d", got)
		}
	})
	rule(t, "INT-1", func(t *testing.T) {
		s := startTTY(t, nil, simple, "-z", "z")
		s.expect(prompt)
		s.send("set pool=lost")
		s.expect("lost")
		s.send("\x03")
		s.expect(prompt)
		if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		s.line("info pool", prompt)
		s.send("exit\r")
		if got := s.status(); got != 0 {
			t.Errorf("exit status %d", got)
		}
		if out := s.zonecfg("z", "info pool"); out != "pool: \n" {
			t.Errorf("the dropped line had an effect: %q", out)
		}
	})
	rule(t, "INT-2", func(t *testing.T) {
		s := startTTY(t, nil, simple, "-z", "z")
		s.expect(prompt)
		s.send("delete\r")
		s.expect("Are you sure you want to delete zone z (y/[n])? ")
		s.send("\x03")
		s.expect("Are you sure you want to delete zone z (y/[n])? ")
		s.send("maybe\r")
		s.expect("Are you sure you want to delete zone z (y/[n])? ")
		s.line("", prompt)
		s.send("exit\r")
		if got := s.status(); got != 0 {
			t.Errorf("exit status %d", got)
		}
	})
}

func TestCompletion(t *testing.T) {
	s := startTTY(t, nil, simple+"; add fs; set dir=/data; set special=/s; set type=lofs; end", "-z", "z")
	s.expect(prompt)
	// offers types a beginning, asks twice for what could follow, and drops
	// the line.
	offers := func(t *testing.T, begin, prompt string, want ...string) {
		t.Helper()
		s.settle()
		s.send(begin + "\t\t")
		s.await(want...)
		s.settle()
		s.send("\x03")
		s.expect(prompt)
	}
	rule(t, "TAB-1", func(t *testing.T) {
		offers(t, "", prompt, "add", "clear", "commit", "create", "delete", "exit", "export", "info", "remove", "revert",
			"select", "set", "verify")
	})
	rule(t, "TAB-2", func(t *testing.T) {
		offers(t, "add ", prompt, "fs", "net", "device", "dedicated-cpu")
		offers(t, "select ", prompt, "capped-cpu", "capped-memory", "attr", "dataset", "admin", "rctl", "security-flags")
		offers(t, "info zone", prompt, "zonename", "zonepath")
		offers(t, "remove fs d", prompt, "remove fs dir=")
		offers(t, "remove fs dir=/d", prompt, "remove fs dir=/data")
	})
	rule(t, "TAB-3", func(t *testing.T) {
		offers(t, "clear ", prompt, "autoboot", "bootargs", "pool", "limitpriv", "hostid", "fs-allowed")
	})
	rule(t, "TAB-4", func(t *testing.T) {
		s.line("add fs", "zonecfg:z:fs> ")
		offers(t, "", "zonecfg:z:fs> ", "add", "cancel", "clear", "end", "exit", "help", "info", "remove", "set")
		offers(t, "set ", "zonecfg:z:fs> ", "dir=", "special=", "raw=", "type=", "options=")
		s.line("cancel", prompt)
		s.line("add net", "zonecfg:z:net> ")
		offers(t, "set physical=l", "zonecfg:z:net> ", "set physical=lo")
		s.line("cancel", prompt)
	})
	rule(t, "TAB-5", func(t *testing.T) {
		s.send("set auto\t")
		s.expect("set autoboot=")
		s.send("t\t")
		s.expect("set autoboot=true")
		s.line("", prompt)
		if out := s.line("info autoboot", prompt); !strings.Contains(out, "autoboot: true\n") {
			t.Errorf("completed lines did not work: %q", out)
		}
	})
	s.send("set brand=l\t\t")
	s.expect("linux")
	s.send("\x03")
	s.expect(prompt)
	s.send("create -F -t SYSb\t")
	s.expect("create -F -t SYSblank")
	s.send("\x03")
	s.expect(prompt)
}

func TestDialogue(t *testing.T) {
	s := startTTY(t, nil, "", "-z", "z")
	s.expect("z: No such zone configured")
	s.expect("Use 'create' to begin configuring a new zone.")
	s.expect(prompt)
	s.line("create", prompt)
	s.line("set zonepath="+s.root+"/zones/z", prompt)
	s.line("add dataset", "zonecfg:z:dataset> ")
	s.line("set name=tank/z", "zonecfg:z:dataset> ")
	s.line("end", prompt)
	s.line("add device; set match=/dev/a; end; add device; set match=/dev/b; end", prompt)
	s.send("remove device\r")
	s.expect("Are you sure you want to remove ALL 'device' resources (y/[n])? ")
	s.line("y", prompt)
	s.line("commit", prompt)
	s.line("set zonename=q", "zonecfg:q> ")
	s.send("revert\r")
	s.expect("Are you sure you want to revert (y/[n])? ")
	s.line("y", prompt)
	s.send("create\r")
	s.expect("Zone z already exists; create anyway (y/[n])? ")
	s.line("n", prompt)
	// exit counts at the end of the line.
	s.line("add net", "zonecfg:z:net> ")
	s.send("exit\r")
	s.expect("Resource incomplete; really quit (y/[n])? ")
	s.line("n", "zonecfg:z:net> ")
	s.line("cancel", prompt)
	s.send("exit; set pool=onthesameline\r")
	if got := s.status(); got != 0 {
		t.Errorf("exit status %d", got)
	}
	if out := s.zonecfg("z", "info pool; info dataset; info device"); out != "pool: onthesameline\ndataset:\n\tname: tank/z\n" {
		t.Errorf("the zone is now %q", out)
	}
	history := filepath.Join(s.home, ".local/state/zonecfg/history")
	st, err := os.Stat(history)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("history: %v, %v", st, err)
	}
	data, err := os.ReadFile(history)
	if err != nil || !strings.Contains(string(data), "set name=tank/z\n") {
		t.Errorf("history is %q, %v", data, err)
	}
}

// TestQuestionsOfWords asks at a terminal what words of the command line lead
// to; without one the answer is no.
func TestQuestionsOfWords(t *testing.T) {
	s := startTTY(t, nil, simple, "-z", "z", "delete")
	s.expect("Are you sure you want to delete zone z (y/[n])? ")
	s.send("y\r")
	if got := s.status(); got != 0 {
		t.Errorf("exit status %d", got)
	}
	if _, err := os.Stat(filepath.Join(s.root, "etc/zones/z.xml")); !os.IsNotExist(err) {
		t.Errorf("the zone is still there: %v", err)
	}
	// An installed zone needs -F; that it was refused does not count.
	s = startTTY(t, nil, "", "-z", "z")
	s.expect(prompt)
	s.line("create -b; set zonepath="+s.root+"/zones/z; commit", prompt)
	if _, err := store.Open(s.root).SetState("z", zone.Installed); err != nil {
		t.Fatal(err)
	}
	s.send("delete\r")
	s.expect("Are you sure you want to delete zone z (y/[n])? ")
	s.send("y\r")
	s.expect("Zone z not in configured state; delete not allowed.  Use -F to force delete.")
	s.expect(prompt)
	s.line("delete -F", "zonecfg:> ")
	s.send("exit\r")
	if got := s.status(); got != 0 {
		t.Errorf("exit status %d", got)
	}
}

// TestKilled ends a session from outside: the terminal echoes again.
func TestKilled(t *testing.T) {
	s := startTTY(t, nil, simple, "-z", "z")
	s.expect(prompt)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := s.status(); got != -1 {
		t.Errorf("exit status %d, want death by the signal", got)
	}
	mode, err := unix.IoctlGetTermios(int(s.ptmx.Fd()), unix.TCGETS)
	if err != nil || mode.Lflag&unix.ECHO == 0 || mode.Lflag&unix.ICANON == 0 {
		t.Errorf("the terminal is left as %+v, %v", mode, err)
	}
}

// TestEndOfInput ends sessions by control-D: clean, with what cannot be saved,
// and in the middle of a resource.
func TestEndOfInput(t *testing.T) {
	s := startTTY(t, nil, simple, "-z", "z")
	s.expect(prompt)
	s.line("set pool=eof", prompt)
	s.line("add net", "zonecfg:z:net> ")
	s.send("\x04")
	s.expect("Resource incomplete; really quit (y/[n])? ")
	s.line("n", "zonecfg:z:net> ")
	s.line("cancel", prompt)
	s.line("set limitpriv=frob", prompt)
	s.send("\x04")
	s.expect("z: invalid privilege: frob")
	s.expect("Configuration not saved; really quit (y/[n])? ")
	s.line("n", prompt)
	s.line("clear limitpriv", prompt)
	s.send("\x04")
	if got := s.status(); got != 0 {
		t.Errorf("exit status %d", got)
	}
	if out := s.zonecfg("z", "info pool"); out != "pool: eof\n" {
		t.Errorf("%q", out)
	}
}

func TestPager(t *testing.T) {
	s := startTTY(t, []string{"PAGER=sed s/^/paged:/"}, simple, "-z", "z")
	s.expect(prompt)
	if out := s.line("info pool", prompt); !strings.Contains(out, "paged:pool: ") {
		t.Errorf("info was not paged: %q", out)
	}
	s.send("exit\r")
	if got := s.status(); got != 0 {
		t.Errorf("exit status %d", got)
	}
	s = startTTY(t, []string{"PAGER=/nosuch"}, simple, "-z", "z")
	s.expect(prompt)
	out := s.line("info pool", prompt)
	if !strings.Contains(out, "PAGER /nosuch does not exist (No such file or directory).") || !strings.Contains(out, "pool: ") {
		t.Errorf("without a pager: %q", out)
	}
}

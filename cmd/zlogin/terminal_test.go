// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zones/internal/cli"
)

// newLocalTerminal is a terminal as a user has it: keys go into the first
// file, the second is what zlogin sees.
func newLocalTerminal(t *testing.T) (keys, term *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	slave, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		t.Fatal(errno)
	}
	keys, term = os.NewFile(uintptr(fd), "keys"), os.NewFile(slave, "term")
	t.Cleanup(func() { keys.Close(); term.Close() })
	return keys, term
}

// screen gathers what is shown and wakes whoever waits for a text.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *screen) await(t *testing.T, text string) {
	t.Helper()
	for range 500 {
		if strings.Contains(s.String(), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no %q on the screen: %q", text, s.String())
}

func TestInteractive(t *testing.T) {
	z := standIn(t)
	for _, c := range []struct {
		name  string
		leave string
		want  string
	}{
		{"shell exits", "exit 5\r", "exit 5\r\n"},
		{"escape", "\r~.", "~."},
	} {
		t.Run(c.name, func(t *testing.T) {
			keys, term := newLocalTerminal(t)
			if err := unix.IoctlSetWinsize(int(term.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 33, Col: 101}); err != nil {
				t.Fatal(err)
			}
			before, err := unix.IoctlGetTermios(int(term.Fd()), unix.TCGETS)
			if err != nil {
				t.Fatal(err)
			}
			o, err := parse([]string{"z1"})
			if err == nil {
				err = o.settle(isTerminal(term))
			}
			if err != nil || o.mode != interactive {
				t.Fatalf("mode %d, %v", o.mode, err)
			}
			var out, errs screen
			say := &cli.Speaker{Program: "zlogin", Out: &out, Err: &errs}
			ended := make(chan int, 1)
			go func() {
				status, err := z.interactive(context.Background(), o, term, say)
				if err != nil {
					t.Error(err)
				}
				ended <- status
			}()
			out.await(t, "[Connected to zone 'z1' pts/")
			press := func(text string) {
				if _, err := keys.WriteString(text); err != nil {
					t.Error(err)
				}
			}
			press("PS1=; stty size; tty; ps -o tty=,stat= -p $$; echo e''nd\r")
			out.await(t, "end\r\n")
			for _, want := range []string{`33 101\r\n`, `/dev/pts/`, `\bS[<N]?s\b`} {
				if !regexp.MustCompile(want).MatchString(out.String()) {
					t.Errorf("no %s on the screen: %q", want, out.String())
				}
			}
			// Job control: the interrupt key ends the command, not the shell.
			press("sleep 100\r")
			time.Sleep(300 * time.Millisecond)
			press("\x03")
			press("echo al''ive\r")
			out.await(t, "alive\r\n")
			if err := unix.IoctlSetWinsize(int(term.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 44, Col: 55}); err != nil {
				t.Fatal(err)
			}
			// The signal comes from the terminal only to its own session.
			_ = unix.Kill(os.Getpid(), unix.SIGWINCH)
			press("sleep 0.2; stty size\r")
			out.await(t, "44 55\r\n")
			press(c.leave)
			select {
			case status := <-ended:
				if status != 0 {
					t.Errorf("status %d", status)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("it did not end")
			}
			out.await(t, c.want)
			if !strings.HasPrefix(errs.String(), "\n[Connection to zone 'z1' pts/") || !strings.HasSuffix(errs.String(), " closed]\n") {
				t.Errorf("stderr %q", errs.String())
			}
			after, err := unix.IoctlGetTermios(int(term.Fd()), unix.TCGETS)
			if err != nil || *after != *before {
				t.Errorf("the terminal is not what it was: %v, %+v, %+v", err, before, after)
			}
		})
	}
}

// TestForeignMultiplexer gives the zone something else for /dev/ptmx.
func TestForeignMultiplexer(t *testing.T) {
	z := standIn(t)
	if status, _, stderr, err := z.login(t, nil, "mount -t tmpfs tmpfs /dev && mkfifo /dev/ptmx && echo ok"); status != 0 || err != nil {
		t.Fatal(status, stderr, err)
	}
	root, err := openRoot(z.record)
	if err != nil {
		t.Fatal(err)
	}
	defer root.close()
	if pty, err := root.openPTY(rootAccount(), nil); err == nil {
		t.Errorf("made %s of a FIFO", pty.name)
	}
}

// TestHostilePasswordFile replaces the zone's files by what they should not be.
func TestHostilePasswordFile(t *testing.T) {
	for name, line := range map[string]string{
		"fifo":      "mkfifo /root/passwd",
		"huge":      "truncate -s 1T /root/passwd",
		"directory": "mkdir /root/passwd",
		"loop":      "ln -s passwd /root/passwd",
		"escape":    "ln -s ../../../../../../etc/shadow /root/passwd",
		"magic":     "ln -s /proc/self/environ /root/passwd",
		"device":    "ln -s /dev/zero /root/passwd",
		"missing":   "true",
		"binary":    "head -c 100000 /dev/urandom > /root/passwd",
	} {
		t.Run(name, func(t *testing.T) {
			z := standIn(t)
			hostile := line + "; mkdir /root/etc; mv /root/passwd /root/etc; mount --bind /root/etc /etc"
			if status, _, stderr, err := z.login(t, nil, "-S", hostile); status != 0 || err != nil {
				t.Fatal(status, stderr, err)
			}
			status, stdout, _, err := z.login(t, nil, "id -u")
			if status != 0 || stdout != "0\n" || err != nil {
				t.Errorf("root: %d %q %v", status, stdout, err)
			}
			if _, _, _, err := z.login(t, nil, "-l", "web", "id -u"); err == nil {
				t.Error("web could log in")
			}
		})
	}
}

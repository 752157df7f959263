// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestRelay(t *testing.T) {
	term, err := New(0)
	if err != nil {
		t.Skipf("requires root: %v", err)
	}
	defer term.Close()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{Master: int(term.Master.Fd()), Client: ends[0]}
	unix.SetNonblock(r.Master, true)
	if _, err := term.Slave.WriteString("login: \n"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<20)
	if !r.Move(false) {
		t.Fatal("the client is gone")
	}
	n, _ := unix.Read(ends[1], buf)
	if string(buf[:n]) != "login: \r\n" {
		t.Errorf("client got %q", buf[:n])
	}
	unix.Write(ends[1], []byte("root\n"))
	r.Move(false)
	if n, _ := term.Slave.Read(buf); string(buf[:n]) != "root\n" {
		t.Errorf("terminal got %q", buf[:n])
	}
	r.Move(false) // the echo
	unix.Read(ends[1], buf)
	r.Notice("NOTICE: Zone halted")
	r.Move(false)
	if n, _ = unix.Read(ends[1], buf); !strings.HasSuffix(string(buf[:n]), "\r\n[NOTICE: Zone halted]\r\n") {
		t.Errorf("client got %q", buf[:n])
	}
	unix.Close(ends[1])
	if r.Move(false) {
		t.Error("the client is still there")
	}
	unix.Close(ends[0])
}

// A client that hangs up has gone, even when the terminal takes no more of what
// he typed.
func TestHangUp(t *testing.T) {
	term, err := New(0)
	if err != nil {
		t.Skipf("requires root: %v", err)
	}
	defer term.Close()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ends[0])
	r := &Relay{Master: int(term.Master.Fd()), Client: ends[0]}
	unix.SetNonblock(r.Master, true)
	typed := bytes.Repeat([]byte("x\n"), 2000)
	for end := time.Now().Add(10 * time.Second); ; {
		if _, err := unix.Write(ends[1], typed); err != nil {
			break // it is full, as the terminal is
		}
		if !r.Move(false) {
			t.Fatal("the client is gone")
		}
		if time.Now().After(end) {
			t.Fatal("the terminal takes whatever is typed")
		}
	}
	unix.Close(ends[1])
	// The terminal may take a little more by now; but it is full, and nobody
	// reads it.
	for end := time.Now().Add(10 * time.Second); r.Move(true); {
		if time.Now().After(end) {
			t.Fatal("the client is still there")
		}
	}
}

// What moves all the time must cost no memory: the watching supervisor never
// collects any.
func TestNoMemory(t *testing.T) {
	term, err := New(0)
	if err != nil {
		t.Skipf("requires root: %v", err)
	}
	defer term.Close()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ends[0])
	defer unix.Close(ends[1])
	r := &Relay{Master: int(term.Master.Fd()), Client: ends[0]}
	unix.SetNonblock(r.Master, true)
	word, buf := []byte("word\n"), make([]byte, 4096)
	if n := testing.AllocsPerRun(100, func() {
		unix.Write(int(term.Slave.Fd()), word)
		unix.Write(ends[1], word)
		r.Move(false)
		unix.Read(int(term.Slave.Fd()), buf)
		unix.Read(ends[1], buf)
	}); n != 0 {
		t.Errorf("%v allocations for each move", n)
	}
}

// A flood from inside must cost no time.
func TestFlood(t *testing.T) {
	term, err := New(0)
	if err != nil {
		t.Skipf("requires root: %v", err)
	}
	defer term.Close()
	r := &Relay{Master: int(term.Master.Fd()), Client: -1}
	unix.SetNonblock(r.Master, true)
	done := make(chan bool)
	go func() {
		line := bytes.Repeat([]byte("x"), 1000)
		for range 200 {
			term.Slave.Write(line)
		}
		close(done)
	}()
	for end := time.Now().Add(5 * time.Second); ; {
		r.Move(false)
		select {
		case <-done:
			return
		default:
		}
		if time.Now().After(end) {
			t.Fatal("the flood blocks whoever writes it")
		}
	}
}

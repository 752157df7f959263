// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// relay is one between a terminal and a client, whose end is returned too.
func relay(t *testing.T) (r *Relay, term *Terminal, client int) {
	t.Helper()
	term, err := New(0)
	if err != nil {
		t.Skipf("requires root: %v", err)
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		term.Close()
		unix.Close(ends[0])
	})
	r = &Relay{Master: int(term.Master.Fd()), Client: ends[0]}
	_ = unix.SetNonblock(r.Master, true)
	return r, term, ends[1]
}

func TestRelay(t *testing.T) {
	r, term, client := relay(t)
	// hears waits until the client has got a text: the terminal moves what it is
	// given in its own time.
	hears := func(want string) {
		t.Helper()
		var got []byte
		buf := make([]byte, 4096)
		for end := time.Now().Add(10 * time.Second); string(got) != want; {
			if time.Now().After(end) {
				t.Fatalf("client got %q, want %q", got, want)
			}
			if !r.Move(false) {
				t.Fatal("the client is gone")
			}
			if n, err := unix.Read(client, buf); err == nil {
				got = append(got, buf[:n]...)
			}
		}
	}
	if _, err := term.Slave.WriteString("login: \n"); err != nil {
		t.Fatal(err)
	}
	hears("login: \r\n")
	unix.Write(client, []byte("root\n"))
	hears("root\r\n") // the echo
	buf := make([]byte, 4096)
	if n, _ := term.Slave.Read(buf); string(buf[:n]) != "root\n" {
		t.Errorf("terminal got %q", buf[:n])
	}
	r.Notice("NOTICE: Zone halted")
	hears("\r\n[NOTICE: Zone halted]\r\n")
	unix.Close(client)
	if r.Move(false) {
		t.Error("the client is still there")
	}
}

// A client that hangs up has gone, even when the terminal takes no more of what
// he typed.
func TestHangUp(t *testing.T) {
	r, _, client := relay(t)
	typed := bytes.Repeat([]byte("x\n"), 2000)
	for end := time.Now().Add(10 * time.Second); ; {
		if _, err := unix.Write(client, typed); err != nil {
			break // it is full, as the terminal is
		}
		if !r.Move(false) {
			t.Fatal("the client is gone")
		}
		if time.Now().After(end) {
			t.Fatal("the terminal takes whatever is typed")
		}
	}
	unix.Close(client)
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
	r, term, client := relay(t)
	defer unix.Close(client)
	word, buf := []byte("word\n"), make([]byte, 4096)
	if n := testing.AllocsPerRun(100, func() {
		unix.Write(int(term.Slave.Fd()), word)
		unix.Write(client, word)
		r.Move(false)
		unix.Read(int(term.Slave.Fd()), buf)
		unix.Read(client, buf)
	}); n != 0 {
		t.Errorf("%v allocations for each move", n)
	}
}

// What is said to a client that reads reaches it whole, however slow that is.
// One that reads nothing keeps nobody waiting.
func TestSlowClient(t *testing.T) {
	term, err := New(0)
	if err != nil {
		t.Skipf("requires root: %v", err)
	}
	defer term.Close()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.SetNonblock(ends[0], true)
	r := &Relay{Master: int(term.Master.Fd()), Client: ends[0]}
	unix.SetNonblock(r.Master, true)
	stop, stopped := make(chan bool), make(chan bool)
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			master, client := r.Events()
			set := []unix.PollFd{{Fd: int32(r.Master), Events: master}, {Fd: int32(r.Client), Events: client}}
			wait := r.Timeout()
			if wait < 0 || wait > 100 {
				wait = 100
			}
			unix.Poll(set, wait)
			r.Move(false)
		}
	}()
	const size = 2 << 20
	said := make(chan time.Duration)
	say := func() {
		began := time.Now()
		for range size / 1024 {
			term.Slave.Write(bytes.Repeat([]byte("x"), 1024))
		}
		said <- time.Since(began)
	}
	go say()
	buf, got := make([]byte, 1<<16), 0
	for got < size {
		time.Sleep(time.Millisecond)
		n, err := unix.Read(ends[1], buf)
		if n <= 0 {
			t.Fatalf("%d of %d bytes: %v", got, size, err)
		}
		got += n
	}
	<-said
	go say()
	if took := <-said; took < patience/2 || took > 10*patience {
		t.Errorf("a client that reads nothing holds up the terminal for %v", took)
	}
	// When it reads again, it is told again.
	time.Sleep(200 * time.Millisecond)
	unix.SetNonblock(ends[1], true)
	for n := 1; n > 0; {
		n, _ = unix.Read(ends[1], buf)
	}
	unix.SetNonblock(ends[1], false)
	term.Slave.WriteString("again")
	if n, err := unix.Read(ends[1], buf); string(buf[:max(n, 0)]) != "again" {
		t.Errorf("told %.20q, %v", buf[:max(n, 0)], err)
	}
	close(stop)
	<-stopped
	unix.Close(ends[0])
	unix.Close(ends[1])
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

// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// A Relay moves bytes between a terminal and at most one client. It is driven
// by a poll loop: Events says what to wait for, Move moves what can be moved.
// It never waits. What the terminal says while nobody listens is dropped. The
// terminal waits for a client that reads more slowly, but not for one that reads
// nothing at all: nothing inside can be blocked by that, nor fill us.
type Relay struct {
	Master int // non-blocking; negative while there is no terminal
	Client int // non-blocking stream; negative while there is no client

	in   []byte // from the client, not yet taken by the terminal
	kept [bufferSize]byte

	out   []byte // for the client, not yet taken by it
	held  [bufferSize + noticeSize]byte
	since time.Time // when it last took any
	deaf  bool      // it takes nothing: what is for it is dropped
}

// bufferSize is the most that is moved, or kept, at a time, and noticeSize the
// most of a notice that is kept.
const (
	bufferSize = 4096
	noticeSize = 512
)

// patience is how long the terminal waits for a client that reads nothing.
const patience = time.Second

// Events are what to poll the terminal and the client for.
func (r *Relay) Events() (master, client int16) {
	master, client = unix.POLLIN, unix.POLLIN
	if len(r.in) > 0 {
		// The terminal takes no more: the client waits, not we.
		master |= unix.POLLOUT
		client = 0
	}
	if len(r.out) > 0 {
		master &^= unix.POLLIN
		client |= unix.POLLOUT
	}
	return master, client
}

// Timeout is after how many milliseconds to Move even if nothing has happened;
// negative for never.
func (r *Relay) Timeout() int {
	if len(r.out) == 0 {
		return -1
	}
	return int(max(time.Until(r.since.Add(patience))/time.Millisecond+1, 0))
}

// Move moves bytes after a poll, which may have told that the client has hung
// up. It reports false when the client has gone: what such a one typed and the
// terminal does not take is dropped. It allocates nothing, as its caller may
// have no collector of what is.
func (r *Relay) Move(hungUp bool) bool {
	r.output()
	return r.input() && !(hungUp && len(r.in) > 0)
}

func (r *Relay) output() {
	r.flush()
	if r.Master < 0 {
		return
	}
	var buf [bufferSize]byte
	// A bounded number of turns: a flood must not keep the loop here.
	for range 4 {
		if len(r.out) > 0 {
			return
		}
		n, err := unix.Read(r.Master, buf[:])
		if n <= 0 || err != nil {
			return
		}
		r.give(buf[:n])
	}
}

// give sends something to the client, if there is one, and holds what that does
// not take.
func (r *Relay) give(text []byte) {
	if r.Client < 0 {
		return
	}
	if len(r.out) == 0 {
		n, _ := unix.Write(r.Client, text)
		if n = max(n, 0); n > 0 {
			r.deaf = false
		}
		if text, r.since = text[n:], time.Now(); r.deaf {
			return
		}
	}
	// What is held moves to the front.
	n := copy(r.held[:], r.out)
	n += copy(r.held[n:], text)
	r.out = r.held[:n]
}

// flush sends what is held, or drops it when the client has taken nothing for
// too long.
func (r *Relay) flush() {
	if len(r.out) == 0 {
		return
	}
	n, _ := unix.Write(r.Client, r.out)
	switch {
	case n > 0:
		r.out, r.since = r.out[n:], time.Now()
	case time.Since(r.since) >= patience:
		r.out, r.deaf = nil, true
	}
}

func (r *Relay) input() bool {
	if r.Client < 0 {
		return true
	}
	if len(r.in) == 0 {
		n, err := unix.Read(r.Client, r.kept[:])
		if n == 0 && err == nil || err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return false
		}
		r.in = r.kept[:max(n, 0)]
	}
	if r.Master < 0 {
		// Typed at a zone that is not there.
		r.in = nil
		return true
	}
	for len(r.in) > 0 {
		n, err := unix.Write(r.Master, r.in)
		if err != nil || n <= 0 {
			return true
		}
		r.in = r.in[n:]
	}
	r.in = nil
	return true
}

// Notice tells the client something that does not come from the terminal.
func (r *Relay) Notice(text string) {
	r.give([]byte("\r\n[" + text + "]\r\n"))
}

// Kept is what the client typed and the terminal has not taken, and Held what
// the client has not taken.
func (r *Relay) Kept() []byte { return r.in }

// Held is described with Kept.
func (r *Relay) Held() []byte { return r.out }

// Keep takes over what another relay has Kept.
func (r *Relay) Keep(typed []byte) { r.in = r.kept[:copy(r.kept[:], typed)] }

// Hold takes over what another relay has Held.
func (r *Relay) Hold(said []byte) { r.out, r.since = r.held[:copy(r.held[:], said)], time.Now() }

// Forget drops what the client typed and the terminal has not taken, and with
// the client what it has not taken.
func (r *Relay) Forget() {
	r.in = nil
	if r.Client < 0 {
		r.out, r.deaf = nil, false
	}
}

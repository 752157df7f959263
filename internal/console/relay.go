// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"

	"golang.org/x/sys/unix"
)

// A Relay moves bytes between a terminal and at most one client. It is driven
// by a poll loop: Events says what to wait for, Move moves what can be moved.
// It never waits. What the terminal says while nobody listens, or faster than
// the client reads, is dropped, so that nothing inside can block or fill it.
type Relay struct {
	Master int // non-blocking; negative while there is no terminal
	Client int // non-blocking stream; negative while there is no client

	in   []byte // from the client, not yet taken by the terminal
	kept [bufferSize]byte
}

// bufferSize is the most that is moved, or kept, at a time.
const bufferSize = 4096

// Events are what to poll the terminal and the client for.
func (r *Relay) Events() (master, client int16) {
	master, client = unix.POLLIN, unix.POLLIN
	if len(r.in) > 0 {
		// The terminal takes no more: the client waits, not we.
		master |= unix.POLLOUT
		client = 0
	}
	return master, client
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
	if r.Master < 0 {
		return
	}
	var buf [bufferSize]byte
	// A bounded number of turns: a flood must not keep the loop here.
	for range 4 {
		n, err := unix.Read(r.Master, buf[:])
		if n <= 0 || err != nil {
			return
		}
		if r.Client >= 0 {
			_, _ = unix.Write(r.Client, buf[:n])
		}
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
	if r.Client >= 0 {
		_, _ = unix.Write(r.Client, []byte("\r\n["+text+"]\r\n"))
	}
}

// Kept is what the client typed and the terminal has not taken.
func (r *Relay) Kept() []byte { return r.in }

// Keep takes over what another relay has Kept.
func (r *Relay) Keep(typed []byte) { r.in = r.kept[:copy(r.kept[:], typed)] }

// Forget drops what the client typed and the terminal has not taken.
func (r *Relay) Forget() { r.in = nil }

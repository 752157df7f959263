// SPDX-License-Identifier: Apache-2.0

// Package wire is what the host and the guest of the test machine say to each
// other over its two serial ports; it is not a general protocol and has one
// version only, because both ends are always built from the same tree.
//
// The port "io" carries frames both ways: the job and its input towards the
// guest, the command's output towards the host. The port "status" carries
// Reports, one JSON object a line, from the guest to the host. They are two
// ports so that no output of a command can be taken for a verdict.
package wire

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// The names of the two ports, as QEMU is told and as the guest finds them in
// /sys/class/virtio-ports.
const (
	IOPort     = "zones.io"
	StatusPort = "zones.status"
)

// A Kind says what a frame holds.
type Kind byte

// The kinds of frames.
const (
	JobFrame    Kind = 'j' // host to guest, first: a Job as JSON
	Stdin       Kind = 'i' // host to guest: bytes of the command's input
	StdinEnd    Kind = 'e' // host to guest: end of the command's input
	WindowSize  Kind = 'w' // host to guest: rows and columns, two bytes each
	Stdout      Kind = 'o' // guest to host: bytes of the command's output
	Stderr      Kind = 'r' // guest to host: bytes of the command's errors
	OutputEnd   Kind = 'x' // guest to host: everything has been sent
	maxFrameLen      = 1 << 20
)

// A Job is what the guest has to do.
type Job struct {
	Argv    []string // the command; run by its name in PATH
	Env     []string // added to the guest's own environment, as KEY=value
	TTY     bool     // give the command a terminal of its own
	Rows    uint16   // size of that terminal
	Columns uint16
	Share   bool // mount the host's directory on /mnt/dir
	Probe   bool // only say that the guest is up
}

// A Report is one line on the status port. Exactly one field is set.
type Report struct {
	Started bool     `json:",omitempty"` // the command has been started
	Beat    bool     `json:",omitempty"` // the guest still answers
	Exit    *int     `json:",omitempty"` // the command's status, and nothing else is wrong
	Fault   *Fault   `json:",omitempty"` // the run fails, whatever the command's status
	Unready string   `json:",omitempty"` // the guest could not be made ready, and why
	Notes   []string `json:",omitempty"` // to be shown to a person
}

// A Fault is why a run fails whatever its command said.
type Fault struct {
	Reason string // one line
	Log    string // the end of the kernel's log
	Exit   int    // the command's own status
}

// A FrameWriter writes frames; it may be used by several goroutines.
type FrameWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// NewFrameWriter returns a FrameWriter on w.
func NewFrameWriter(w io.Writer) *FrameWriter { return &FrameWriter{w: w} }

// Write sends one frame of kind k, in one write.
func (f *FrameWriter) Write(k Kind, data []byte) error {
	buf := make([]byte, 5+len(data))
	buf[0] = byte(k)
	binary.BigEndian.PutUint32(buf[1:], uint32(len(data)))
	copy(buf[5:], data)
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.w.Write(buf)
	return err
}

// As returns a writer that sends what it is given as frames of kind k.
func (f *FrameWriter) As(k Kind) io.Writer { return kindWriter{f, k} }

type kindWriter struct {
	f *FrameWriter
	k Kind
}

func (w kindWriter) Write(p []byte) (int, error) {
	for sent := 0; sent < len(p); {
		n := min(len(p)-sent, maxFrameLen)
		if err := w.f.Write(w.k, p[sent:sent+n]); err != nil {
			return sent, err
		}
		sent += n
	}
	return len(p), nil
}

// Read reads one frame from r.
func Read(r io.Reader) (Kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrameLen {
		return 0, nil, fmt.Errorf("read frame: length %d is out of range", n)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return 0, nil, fmt.Errorf("read frame of %d bytes: %w", n, err)
	}
	return Kind(head[0]), data, nil
}

// SPDX-License-Identifier: Apache-2.0

// Package unpacker has package image work in a program of its own, zoneunpack:
// what speaks with registries and decompresses is large, and no other verb
// than those that fill a root should have to load it. It says what may be
// asked of the program and what it answers; it opens and unpacks nothing.
package unpacker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"zones/internal/entrypoint"
)

// Program is what the program is called.
const Program = "zoneunpack"

// The program's descriptors besides the standard ones.
const (
	ReplyFD  = 3 // a Reply is written to it at the end
	FileFD   = 4 // Source.File, when there is one
	SharedFD = 5 // Source.Shared, when there is one
)

// A Verb is what the program is asked to do with a source. It is the first of
// its arguments; the source follows, as JSON, and for Fill the root.
type Verb string

// The verbs.
const (
	Open   Verb = "open"   // find out what it is
	Fill   Verb = "fill"   // unpack it into a root, with a bar on a terminal
	Stream Verb = "stream" // write the bytes of a Received or Snapshot to the standard output
)

// Form is what has to be done with a source.
type Form string

// The forms.
const (
	Tree     Form = "tree"     // fill a root from it
	Snapshot Form = "snapshot" // copy it, by its name
	Received Form = "received" // receive it: a ZFS stream
)

// Source is a place to fill a root from.
type Source struct {
	// Letter is the option that named it, as lifecycle.Source has it.
	Letter   string
	Name     string   // as the user spells it
	File     *os.File `json:"-"` // Name as it is open already; nil for nothing
	Opened   bool     // there is a File
	Packages []string // as of image.Options, like the following
	Mirror   string
	MaxID    int
	MaxFiles int
	// Anonymous keeps root's accounts at registries out of it.
	Anonymous bool
	// Shared is inherited by the program, and tools that it starts and that may
	// outlive it, so that a lock on it lasts as long as they do.
	Shared *os.File `json:"-"`
	Locked bool     // there is a Shared
	// Stdin and Stderr are the program's; a bar is shown on the latter.
	Stdin  io.Reader `json:"-"`
	Stderr io.Writer `json:"-"`

	// What Open found.
	Form  Form   `json:"-"`
	Short string `json:"-"` // Name without a prefix for its kind
}

// Reply is what the program answers.
type Reply struct {
	Error      string // why it failed; empty for success
	Form       Form
	Short      string
	Notes      []string               // what was left out or changed, one finding a line
	Entrypoint *entrypoint.Entrypoint // nil unless it is an image that names a program
}

// Open finds out what the source is, and whether it can be used.
func (s *Source) Open(ctx context.Context) error {
	c, err := s.start(ctx, nil, Open)
	if err != nil {
		return err
	}
	reply, err := c.end()
	s.Short, s.Form = reply.Short, reply.Form
	return err
}

// Fill unpacks the source into a root, an existing folder. The notes of a
// failed unpacking come back too. A caller that is killed takes the program
// along.
func (s *Source) Fill(ctx context.Context, root string) (*Reply, error) {
	c, err := s.start(ctx, nil, Fill, root)
	if err != nil {
		return &Reply{}, err
	}
	return c.end()
}

// Stream returns the bytes of a ZFS stream, with a bar on a terminal. In place of the end
// of the file comes why there are no more, if that was not their end.
func (s *Source) Stream(ctx context.Context) (io.ReadCloser, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", Program, err)
	}
	c, err := s.start(ctx, w, Stream)
	w.Close()
	if err != nil {
		r.Close()
		return nil, err
	}
	return &stream{r, sync.OnceValue(func() error { _, err := c.end(); return err })}, nil
}

// stream is what the program writes.
type stream struct {
	pipe *os.File
	end  func() error
}

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.pipe.Read(p)
	if errors.Is(err, io.EOF) {
		if why := s.end(); why != nil {
			err = why
		}
	}
	return n, err
}

func (s *stream) Close() error {
	s.pipe.Close()
	_ = s.end() // it cannot write any more
	return nil
}

// call is the program at work.
type call struct {
	cmd   *exec.Cmd
	reply *os.File
}

func (s *Source) start(ctx context.Context, out *os.File, verb Verb, args ...string) (*call, error) {
	fail := func(err error) (*call, error) { return nil, fmt.Errorf("start %s: %w", Program, err) }
	s.Opened, s.Locked = s.File != nil, s.Shared != nil
	request, err := json.Marshal(s)
	if err != nil {
		return fail(err)
	}
	program, err := find()
	if err != nil {
		return fail(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	defer w.Close()
	cmd := exec.CommandContext(ctx, program, append([]string{string(verb), string(request)}, args...)...)
	cmd.ExtraFiles = []*os.File{w, s.File, s.Shared} // from ReplyFD on
	cmd.Stdin, cmd.Stderr = s.Stdin, s.Stderr
	if out != nil {
		cmd.Stdout = out
	}
	// Asked to end it cleans up; but nothing is unpacked for nobody.
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		r.Close()
		return fail(err)
	}
	return &call{cmd, r}, nil
}

// end waits for the program's end and returns what it answered.
func (c *call) end() (*Reply, error) {
	reply := &Reply{}
	err := json.NewDecoder(c.reply).Decode(reply)
	c.reply.Close()
	ended := c.cmd.Wait()
	switch {
	case err != nil && ended != nil:
		return reply, fmt.Errorf("%s: %w", Program, ended)
	case err != nil:
		return reply, fmt.Errorf("%s: %w", Program, err)
	case reply.Error != "":
		return reply, errors.New(reply.Error)
	}
	return reply, nil
}

// find looks for the program beside the one that runs, and where packages put
// it.
func find() (string, error) {
	places := []string{"/usr/lib/zones"}
	if self, err := os.Executable(); err == nil {
		dir := filepath.Dir(self)
		places = []string{dir, filepath.Join(dir, "../lib/zones"), places[0]}
	}
	for _, dir := range places {
		if file := filepath.Join(dir, Program); unix.Access(file, unix.X_OK) == nil {
			return file, nil
		}
	}
	return "", errors.New("it is not installed")
}

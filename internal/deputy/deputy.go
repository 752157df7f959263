// SPDX-License-Identifier: Apache-2.0

// Package deputy lets a process of root carry out commands for other users:
// they send the words and their standard streams over a socket, and the kernel
// says who they are. Which command of whom is carried out is for the one who
// serves to decide; the package knows no zone.
package deputy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is where the deputy listens.
const Socket = "/run/zones-admin.sock"

// place is Socket, but in tests.
var place = Socket

var (
	// ErrAbsent says that nobody serves.
	ErrAbsent = errors.New("no service carries out commands for other users")
	// ErrRefused says that the caller may have nothing carried out.
	ErrRefused = errors.New("permission denied")
	// ErrBusy says that too many commands of the caller wait already.
	ErrBusy = errors.New("too many commands of yours wait to be carried out")
)

// Request is what a user asks for.
type Request struct {
	Program string   // base name of the command
	Args    []string // without the command's own name
	UID     uint32   // of the caller, by the kernel's word
	GID     uint32
	Term    string // the kind of its terminal, as it says; may be anything
	Streams [3]*os.File

	orders io.Reader // what the caller says after the request: see Ask
}

// answer is the end of a request.
type answer struct {
	Refused, Busy bool
	Status        int
}

// maxRequest bounds the words of a request, as they are sent, in bytes.
const maxRequest = 256 << 10

// patience is how long a caller may take to say what it wants.
const patience = 5 * time.Second

// farewell is how long a command may take to end that has been interrupted for
// good.
const farewell = 10 * time.Second

// Ask has a command carried out by root and returns its exit status. Each
// interrupt that the caller gets meanwhile is passed on; the end of the context,
// or of the caller, is the last one. The command stops and goes on with the caller.
// One that reads its input all the time does so in the foreground only.
func Ask(ctx context.Context, program string, args []string, streams [3]*os.File, reads bool) (status int, err error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: place, Net: "unix"})
	if err != nil {
		return 0, ErrAbsent
	}
	defer conn.Close()
	data, err := json.Marshal(Request{Program: program, Args: args, Term: os.Getenv("TERM")})
	if err != nil {
		return 0, err
	}
	if reads {
		if streams[0], err = input(streams[0]); err != nil {
			return 0, fmt.Errorf("ask %s: %w", Socket, err)
		}
	}
	fds := []int{int(streams[0].Fd()), int(streams[1].Fd()), int(streams[2].Fd())}
	if len(data) > maxRequest {
		return 0, fmt.Errorf("ask %s: %w", Socket, unix.E2BIG)
	}
	got, ended := hear(), make(chan struct{})
	defer signal.Stop(got)
	n, _, err := conn.WriteMsgUnix(data, unix.UnixRights(fds...), nil)
	// Whoever has it all may have hung up: to write nothing would fail too.
	if err == nil && n < len(data) {
		_, err = conn.Write(data[n:])
	}
	if err != nil {
		return 0, fmt.Errorf("ask %s: %w", Socket, err)
	}
	defer close(ended)
	go forward(got, ended, conn, streams[0], reads)
	stop := context.AfterFunc(ctx, func() {
		_ = conn.CloseWrite()
		_ = conn.SetReadDeadline(time.Now().Add(farewell))
	})
	defer stop()
	var a answer
	if err := json.NewDecoder(io.LimitReader(conn, maxRequest)).Decode(&a); err != nil {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return 0, fmt.Errorf("ask %s: %w", Socket, err)
	}
	switch {
	case a.Refused:
		return 0, ErrRefused
	case a.Busy:
		return 0, ErrBusy
	}
	return a.Status, nil
}

// words is what the caller says of itself. Arguments are bytes: as strings, what
// is no text would arrive as something else.
type words struct {
	Program string
	Args    [][]byte
	Term    string
}

// MarshalJSON leaves out what the caller cannot say of itself.
func (r Request) MarshalJSON() ([]byte, error) {
	w := words{Program: r.Program, Term: r.Term}
	for _, arg := range r.Args {
		w.Args = append(w.Args, []byte(arg))
	}
	return json.Marshal(w)
}

// receive reads one request of a caller.
func receive(conn *net.UnixConn, caller *unix.Ucred) (*Request, error) {
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	data, oob := make([]byte, 4<<10), make([]byte, unix.CmsgSpace(16*4))
	n, oobn, _, _, err := conn.ReadMsgUnix(data, oob)
	if err != nil {
		return nil, err
	}
	fds, err := rights(oob[:oobn])
	if err != nil {
		return nil, err
	}
	r := &Request{UID: caller.Uid, GID: caller.Gid}
	for i, fd := range fds {
		unix.CloseOnExec(fd)
		if i < len(r.Streams) {
			r.Streams[i] = os.NewFile(uintptr(fd), "stream")
		} else {
			unix.Close(fd)
		}
	}
	if err := r.read(conn, data[:n], len(fds)); err != nil {
		r.close()
		return nil, err
	}
	return r, conn.SetReadDeadline(time.Time{})
}

// read takes the words, of which a stream socket may give a part only.
func (r *Request) read(conn *net.UnixConn, head []byte, streams int) error {
	if streams != len(r.Streams) {
		return errors.New("three streams are wanted")
	}
	var w words
	from := json.NewDecoder(io.MultiReader(bytes.NewReader(head), io.LimitReader(conn, maxRequest)))
	if err := from.Decode(&w); err != nil {
		return err
	}
	r.orders = io.MultiReader(from.Buffered(), conn)
	r.Program, r.Term = w.Program, w.Term
	for _, arg := range w.Args {
		r.Args = append(r.Args, string(arg))
	}
	return nil
}

// peer is who made a connection.
func peer(conn *net.UnixConn) (cred *unix.Ucred, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err2 := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err2 != nil {
		return nil, err2
	}
	return cred, err
}

func (r *Request) close() {
	for _, f := range r.Streams {
		if f != nil {
			_ = f.Close()
		}
	}
}

func rights(oob []byte) ([]int, error) {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var fds []int
	for i := range messages {
		got, err := syscall.ParseUnixRights(&messages[i])
		if err == nil {
			fds = append(fds, got...)
		}
	}
	return fds, nil
}

// SPDX-License-Identifier: Apache-2.0

package deputy

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Each user has a share of his own in the service, so that nobody keeps others
// out.
const (
	// atOnce bounds the commands of one user that are carried out side by side,
	// and atMost those with the ones that wait for that.
	atOnce = 64
	atMost = 512
	// guestsEach bounds the connections of one user that have not said yet what
	// they are for.
	guestsEach = 16
)

// A Decider says how a request is carried out: as a command whose streams Serve
// sets, or not at all when it is nil.
type Decider func(*Request) *exec.Cmd

// Listen makes the socket, which everybody may connect to.
func Listen() (*net.UnixListener, error) {
	_ = os.Remove(place)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: place, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(place, 0o666); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// Inherited is the socket that a service manager passes as descriptor 3, as
// sd_listen_fds(3) says; nil when there is none.
func Inherited() (*net.UnixListener, error) {
	if os.Getenv("LISTEN_FDS") != "1" {
		return nil, nil
	}
	f := os.NewFile(3, "socket")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	u, ok := l.(*net.UnixListener)
	if !ok {
		return nil, errors.New("the socket passed is not a local one")
	}
	return u, nil
}

// Serve carries requests out until the context ends, or until nobody has asked
// for anything during idle (0: for ever).
func Serve(ctx context.Context, l *net.UnixListener, idle time.Duration, decide Decider) error {
	var busy sync.WaitGroup
	defer busy.Wait()
	var each users
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		if idle > 0 {
			_ = l.SetDeadline(time.Now().Add(idle))
		}
		conn, err := l.AcceptUnix()
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			if each.any() {
				continue
			}
			return nil
		case passes(err):
			time.Sleep(shortage)
			continue
		default:
			return err
		}
		caller, err := peer(conn)
		if err != nil || !each.enter(caller.Uid) {
			_ = conn.Close()
			continue
		}
		busy.Add(1)
		go func() {
			defer func() { _ = conn.Close(); busy.Done() }()
			r, err := receive(conn, caller)
			if err != nil {
				each.leave(caller.Uid)
				return
			}
			defer r.close()
			cmd := decide(r)
			room := each.admit(caller.Uid)
			switch {
			case cmd == nil:
				reply(conn, answer{Refused: true})
			case room == nil:
				reply(conn, answer{Busy: true})
			default:
				room <- struct{}{}
				reply(conn, r.carryOut(ctx, conn, cmd))
				<-room
			}
			each.end(caller.Uid)
		}()
	}
}

// shortage is how long to wait for what the machine is short of.
const shortage = 100 * time.Millisecond

// passes reports whether an error is about what there is too little of now.
func passes(err error) bool {
	return slices.ContainsFunc([]error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM},
		func(short error) bool { return errors.Is(err, short) })
}

// users are those who have a connection.
type users struct {
	mu    sync.Mutex
	share map[uint32]*share
}

// share is what one user has of the service.
type share struct {
	guests   int // connections of which no request has come yet
	commands int // the others
	room     chan struct{}
}

// enter lets a connection in.
func (u *users) enter(uid uint32) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.share == nil {
		u.share = map[uint32]*share{}
	}
	s := u.share[uid]
	if s == nil {
		s = &share{room: make(chan struct{}, atOnce)}
		u.share[uid] = s
	}
	if uid != 0 && s.guests >= guestsEach {
		return false
	}
	s.guests++
	return true
}

// admit is about a connection whose request has come: room is where its command
// waits for its turn; nil when too many do.
func (u *users) admit(uid uint32) (room chan struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.share[uid]
	s.guests--
	s.commands++
	if uid != 0 && s.commands > atMost {
		return nil
	}
	return s.room
}

// leave is the end of a connection that asked for nothing, and end that of
// another.
func (u *users) leave(uid uint32) { u.drop(uid, 1, 0) }
func (u *users) end(uid uint32)   { u.drop(uid, 0, 1) }

func (u *users) drop(uid uint32, guests, commands int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.share[uid]
	s.guests -= guests
	s.commands -= commands
	if s.guests == 0 && s.commands == 0 {
		delete(u.share, uid)
	}
}

// any reports whether anybody is there.
func (u *users) any() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.share) > 0
}

func reply(conn *net.UnixConn, a answer) { _ = json.NewEncoder(conn).Encode(a) }

// carryOut runs a command with the caller's streams to its end.
func (r *Request) carryOut(ctx context.Context, conn *net.UnixConn, cmd *exec.Cmd) answer {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r.Streams[0], r.Streams[1], r.Streams[2]
	// Signals of this service's terminal are not for the command.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return answer{Status: 1}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.CloseRead() })
	defer stop()
	go control(r.orders, cmd.Process)
	err := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return answer{}
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return answer{Status: exit.ExitCode()}
	case exit != nil:
		// As a shell has it.
		return answer{Status: 128 + int(exit.Sys().(syscall.WaitStatus).Signal())}
	}
	return answer{Status: 1}
}

// control has the command and what it runs stop, go on, or be interrupted, and
// the command told of the window's size, as the caller sends it byte by byte, and
// interrupted at the caller's end: as a terminal would.
func control(from io.Reader, p *os.Process) {
	for b := make([]byte, 1); ; {
		_, err := from.Read(b)
		if p.Signal(syscall.Signal(0)) != nil {
			return // it has ended
		}
		group := -p.Pid
		switch {
		case err != nil:
			_ = syscall.Kill(group, syscall.SIGINT)
			_ = syscall.Kill(group, syscall.SIGCONT)
			return
		case b[0] == orderStop:
			_ = syscall.Kill(group, syscall.SIGSTOP)
		case b[0] == orderGoOn:
			_ = syscall.Kill(group, syscall.SIGCONT)
		case b[0] == orderResize:
			_ = p.Signal(syscall.SIGWINCH)
		default:
			_ = syscall.Kill(group, syscall.SIGINT)
		}
	}
}

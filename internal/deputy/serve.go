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
	"sync"
	"syscall"
	"time"
)

const (
	// atOnce bounds the commands that are carried out side by side.
	atOnce = 64
	// guestsEach bounds the connections of one user that have not said yet what
	// they are for, so that nobody keeps others out by such.
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
	room := make(chan struct{}, atOnce)
	var each guests
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		if idle > 0 {
			_ = l.SetDeadline(time.Now().Add(idle))
		}
		conn, err := l.AcceptUnix()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if len(room) > 0 {
				continue
			}
			return nil
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
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
			each.leave(caller.Uid)
			if err != nil {
				return
			}
			defer r.close()
			cmd := decide(r)
			if cmd == nil {
				reply(conn, answer{Refused: true})
				return
			}
			room <- struct{}{}
			defer func() { <-room }()
			reply(conn, r.carryOut(ctx, conn, cmd))
		}()
	}
}

// guests are the connections of each user of which no request has come yet.
type guests struct {
	mu    sync.Mutex
	count map[uint32]int
}

func (g *guests) enter(uid uint32) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count == nil {
		g.count = map[uint32]int{}
	}
	if uid != 0 && g.count[uid] >= guestsEach {
		return false
	}
	g.count[uid]++
	return true
}

func (g *guests) leave(uid uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count[uid]--; g.count[uid] == 0 {
		delete(g.count, uid)
	}
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
	go interrupt(r.interrupts, cmd.Process)
	err := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return answer{}
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return answer{Status: exit.ExitCode()}
	}
	return answer{Status: 1}
}

// interrupt has the command and what it runs interrupted for each byte that the
// caller sends, and at the caller's end: as a terminal would.
func interrupt(from io.Reader, p *os.Process) {
	for b := make([]byte, 1); ; {
		_, err := from.Read(b)
		if p.Signal(syscall.Signal(0)) != nil {
			return // it has ended
		}
		_ = syscall.Kill(-p.Pid, syscall.SIGINT)
		if err != nil {
			return
		}
	}
}

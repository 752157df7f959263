// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"zones/internal/zone"
)

// Op is what a client may ask of a supervisor.
type Op string

// The operations.
const (
	OpReady     Op = "ready"
	OpBoot      Op = "boot"
	OpForceBoot Op = "forceboot"
	OpReboot    Op = "reboot"
	OpHalt      Op = "halt"
	OpShutdown  Op = "shutdown"
	OpMount     Op = "mount"
	OpUnmount   Op = "unmount"
	OpConsole   Op = "console"
	// OpUninstall tells the console's user that the zone goes away, and ends
	// the supervisor.
	OpUninstall Op = "note-uninstalling"
	// OpPing asks for nothing but an answer.
	OpPing Op = "ping"
)

// A Conn is a connection to the supervisor of one zone. It serves one request
// at a time.
type Conn struct {
	Name zone.Name
	// Locked says that whoever asks, or an ancestor of his, holds the zone's lock,
	// which the supervisor then does not take itself.
	Locked bool
	sock   *socket
}

// Dial connects to the zone's supervisor, or returns ErrNoSupervisor.
func Dial(ctx context.Context, name zone.Name) (*Conn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("dial zoneadmd: %w", err)
	}
	for {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: Path(name, DoorSuffix)})
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		unix.Close(fd)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED) {
			return nil, ErrNoSupervisor
		}
		return nil, fmt.Errorf("dial zoneadmd: %w", err)
	}
	sock, err := newSocket(fd, string(name))
	if err != nil {
		return nil, fmt.Errorf("dial zoneadmd: %w", err)
	}
	return &Conn{Name: name, sock: sock}, nil
}

// Close ends the connection. A request under way goes on without a listener.
func (c *Conn) Close() error { return c.sock.file.Close() }

// Relay receives the lines that a supervisor sends while it works, without
// prefix and newline. A nil Relay drops them.
type Relay func(line string)

// Do asks for op with boot arguments args ("" for none) and waits for its end,
// relaying what the supervisor says meanwhile. An operation that fails gives
// ErrFailed after its reasons have been relayed; ErrLost when the supervisor
// died; the context's error when that ended first.
func (c *Conn) Do(ctx context.Context, op Op, args string, relay Relay) error {
	m, err := c.call(ctx, op, relay, "args", args, "under-lock", strconv.FormatBool(c.Locked))
	if err != nil {
		return err
	}
	closeAll(m.fds)
	return nil
}

// Shutdown asks for an orderly shutdown. With reboot the zone is booted with
// args afterwards.
func (c *Conn) Shutdown(ctx context.Context, reboot bool, args string, relay Relay) error {
	m, err := c.call(ctx, OpShutdown, relay, "args", args, "reboot", strconv.FormatBool(reboot))
	if err != nil {
		return err
	}
	closeAll(m.fds)
	return nil
}

// Console attaches to the zone's console and returns the stream, which ends
// when the supervisor disconnects. With untilHalt it does so when the zone
// halts or fails to boot. A *BusyError says that somebody else has it.
func (c *Conn) Console(ctx context.Context, untilHalt bool) (*os.File, error) {
	m, err := c.call(ctx, OpConsole, nil, "until-halt", strconv.FormatBool(untilHalt))
	if err != nil {
		return nil, err
	}
	if len(m.fds) != 1 {
		closeAll(m.fds)
		return nil, fmt.Errorf("attach console: %w", ErrLost)
	}
	if err := unix.SetNonblock(m.fds[0], true); err != nil {
		closeAll(m.fds)
		return nil, fmt.Errorf("attach console: %w", err)
	}
	return os.NewFile(uintptr(m.fds[0]), "console"), nil
}

func (c *Conn) call(ctx context.Context, op Op, relay Relay, values ...string) (*message, error) {
	stop := c.sock.deadline(ctx)
	defer stop()
	fail := func(err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return context.DeadlineExceeded
		case errors.Is(err, io.EOF), errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET):
			return ErrLost
		}
		return fmt.Errorf("%s: %w", op, err)
	}
	if err := c.sock.send(&message{kind: string(op), values: values}); err != nil {
		return nil, fail(err)
	}
	for {
		m, err := c.sock.receive()
		if err != nil {
			return nil, fail(err)
		}
		switch m.kind {
		case "line":
			if relay != nil {
				relay(m.get("text"))
			}
			closeAll(m.fds)
		case "done":
			return m, nil
		case "busy":
			pid, _ := strconv.Atoi(m.get("pid"))
			return nil, &BusyError{pid}
		case "refused":
			return nil, ErrRefused
		default:
			return nil, ErrFailed
		}
	}
}

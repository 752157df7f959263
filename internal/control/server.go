// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"zones/internal/zone"
)

// Listen makes the socket on which the zone's supervisor is found. The caller
// holds the zone's lock, so that a socket which is there is a dead one's.
func Listen(name zone.Name) (fd int, err error) {
	if err := prepare(); err != nil {
		return -1, err
	}
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("listen: %w", err)
	}
	path := Path(name, DoorSuffix)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		unix.Close(fd)
		return -1, fmt.Errorf("listen: %w", err)
	}
	// The mode of the inode comes from the descriptor's own when it is bound.
	if err := unix.Fchmod(fd, 0o600); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("listen: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := unix.Listen(fd, 64); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("listen on %s: %w", path, err)
	}
	return fd, nil
}

// A Request is one a client made and is waiting for. Its descriptor may be
// handed to another role of the supervisor and come back by Resume.
type Request struct {
	Op   Op
	Args string
	// Reboot, of OpShutdown: boot the zone afterwards; of OpBoot: although it is
	// incomplete, as it was before.
	Reboot bool
	// Locked says that the client, or an ancestor, holds the zone's lock.
	Locked bool
	// UntilHalt, of OpConsole: disconnect when the zone halts.
	UntilHalt bool
	PeerPID   int
	PeerUID   uint32
	fd        int
}

// Accept takes the next connection of a listening socket, without waiting;
// unix.EAGAIN when there is none. Only root is served: others get a refusal
// and Accept goes on with the next.
func Accept(listener int) (fd int, err error) {
	for {
		fd, _, err = unix.Accept4(listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		if err != nil {
			if errors.Is(err, unix.EINTR) || errors.Is(err, unix.ECONNABORTED) {
				continue
			}
			return -1, err
		}
		cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err == nil && cred.Uid == 0 {
			return fd, nil
		}
		sendRaw(fd, &message{kind: "refused"})
		unix.Close(fd)
	}
}

// Receive reads a request from an accepted connection, without waiting:
// unix.EAGAIN when none has come yet. After any other error the caller closes
// the connection.
func Receive(fd int) (*Request, error) {
	data := make([]byte, maxMessage)
	n, _, err := unix.Recvfrom(fd, data, 0)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, errors.New("client has gone")
	}
	m, err := decodeMessage(data[:n])
	if err != nil {
		return nil, err
	}
	r := &Request{Op: Op(m.kind), Args: m.get("args"), fd: fd}
	r.Reboot, _ = strconv.ParseBool(m.get("reboot"))
	r.UntilHalt, _ = strconv.ParseBool(m.get("until-halt"))
	r.Locked, _ = strconv.ParseBool(m.get("under-lock"))
	if cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
		r.PeerPID, r.PeerUID = int(cred.Pid), cred.Uid
	}
	return r, nil
}

// Resume makes a request of a descriptor and the values it was received with.
func Resume(fd int, op Op, args string, reboot bool) *Request {
	return &Request{Op: op, Args: args, Reboot: reboot, fd: fd}
}

// FD is the connection the request came on.
func (r *Request) FD() int { return r.fd }

// Gone reports whether the client has hung up.
func (r *Request) Gone() bool {
	set := []unix.PollFd{{Fd: int32(r.fd)}}
	n, err := unix.Poll(set, 0)
	return err == nil && n == 1 && set[0].Revents&unix.POLLHUP != 0
}

// Line relays a line to the client. A client that does not read loses lines
// rather than holding the supervisor up, but not the answer at the end: there is
// room left for that.
func (r *Request) Line(text string) {
	waiting, err := unix.IoctlGetInt(r.fd, unix.SIOCOUTQ)
	room, err2 := unix.GetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	if err == nil && err2 == nil && waiting > room/2 {
		return
	}
	sendRaw(r.fd, &message{kind: "line", values: []string{"text", text}})
}

// Done ends the request with success, passing fds along, and Fail ends it
// without. The connection stays open for another.
func (r *Request) Done(fds ...int) { sendRaw(r.fd, &message{kind: "done", fds: fds}) }

// Fail ends the request without success.
func (r *Request) Fail() { sendRaw(r.fd, &message{kind: "failed"}) }

// Busy ends a console request because another process has the console.
func (r *Request) Busy(pid int) {
	sendRaw(r.fd, &message{kind: "busy", values: []string{"pid", strconv.Itoa(pid)}})
}

// sendRaw sends without waiting and drops the message when the peer does not
// take it: a client must not be able to stop a supervisor.
func sendRaw(fd int, m *message) {
	if fd < 0 {
		return
	}
	data, err := m.encode()
	if err != nil {
		return
	}
	var rights []byte
	if len(m.fds) > 0 {
		rights = unix.UnixRights(m.fds...)
	}
	_ = unix.Sendmsg(fd, data, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
}

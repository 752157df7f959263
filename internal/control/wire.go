// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A message is one packet: a kind and named values, each ended by a NUL. This
// is no JSON because the supervisor's watching role is measured in kilobytes.
type message struct {
	kind   string
	values []string // key, value, key, value...
	fds    []int    // descriptors that came along; the receiver owns them
}

// maxMessage bounds a packet; boot arguments and environments fit many times.
const maxMessage = 64 << 10

func (m *message) get(key string) string {
	for i := 0; i+1 < len(m.values); i += 2 {
		if m.values[i] == key {
			return m.values[i+1]
		}
	}
	return ""
}

func (m *message) encode() ([]byte, error) {
	parts := append([]string{m.kind}, m.values...)
	for _, p := range parts {
		if strings.IndexByte(p, 0) >= 0 {
			return nil, fmt.Errorf("%s message: NUL byte in a value", m.kind)
		}
	}
	data := strings.Join(parts, "\x00") + "\x00"
	if len(data) > maxMessage {
		return nil, fmt.Errorf("%s message: longer than %d bytes", m.kind, maxMessage)
	}
	return []byte(data), nil
}

func decodeMessage(data []byte) (*message, error) {
	if len(data) == 0 || data[len(data)-1] != 0 {
		return nil, errors.New("malformed message")
	}
	parts := strings.Split(string(data[:len(data)-1]), "\x00")
	if len(parts)%2 != 1 || parts[0] == "" {
		return nil, errors.New("malformed message")
	}
	return &message{kind: parts[0], values: parts[1:]}, nil
}

// socket is one end of a packet connection.
type socket struct{ file *os.File }

func newSocket(fd int, name string) (*socket, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &socket{os.NewFile(uintptr(fd), name)}, nil
}

func (s *socket) send(m *message) error {
	data, err := m.encode()
	if err != nil {
		return err
	}
	var rights []byte
	if len(m.fds) > 0 {
		rights = unix.UnixRights(m.fds...)
	}
	raw, err := s.file.SyscallConn()
	if err != nil {
		return err
	}
	werr := raw.Write(func(fd uintptr) bool {
		err = unix.Sendmsg(int(fd), data, rights, nil, unix.MSG_NOSIGNAL)
		return !errors.Is(err, unix.EAGAIN)
	})
	if werr != nil {
		return werr
	}
	return err
}

// receive returns the next message, or io.EOF.
func (s *socket) receive() (*message, error) {
	raw, err := s.file.SyscallConn()
	if err != nil {
		return nil, err
	}
	data := make([]byte, maxMessage)
	rights := make([]byte, unix.CmsgSpace(4*4))
	var n, rn, flags int
	rerr := raw.Read(func(fd uintptr) bool {
		n, rn, flags, _, err = unix.Recvmsg(int(fd), data, rights, unix.MSG_CMSG_CLOEXEC)
		return !errors.Is(err, unix.EAGAIN)
	})
	if rerr != nil {
		return nil, rerr
	}
	fds := parseRights(rights[:rn])
	switch {
	case err == nil && n == 0, errors.Is(err, unix.ECONNRESET):
		err = io.EOF
	case err == nil && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0:
		err = errors.New("message too long")
	}
	var m *message
	if err == nil {
		m, err = decodeMessage(data[:n])
	}
	if err != nil {
		closeAll(fds)
		return nil, err
	}
	m.fds = fds
	return m, nil
}

// deadline makes send and receive fail when ctx ends; call stop afterwards.
func (s *socket) deadline(ctx context.Context) (stop func()) {
	if t, ok := ctx.Deadline(); ok {
		_ = s.file.SetDeadline(t)
	}
	after := context.AfterFunc(ctx, func() { _ = s.file.SetDeadline(time.Unix(1, 0)) })
	return func() {
		after()
		_ = s.file.SetDeadline(time.Time{})
	}
}

func parseRights(b []byte) []int {
	var fds []int
	msgs, err := unix.ParseSocketControlMessage(b)
	if err != nil {
		return nil
	}
	for i := range msgs {
		if got, err := unix.ParseUnixRights(&msgs[i]); err == nil {
			fds = append(fds, got...)
		}
	}
	return fds
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"

	"zones/internal/zone"
)

// A Watch notices whether a zone is made active, however briefly.
type Watch struct {
	name zone.Name
	fd   int
}

// NewWatch begins to watch a zone. The caller closes it.
func NewWatch(name zone.Name) (*Watch, error) {
	if err := prepare(); err != nil {
		return nil, err
	}
	return newWatch(Dir, name)
}

func newWatch(dir string, name zone.Name) (*Watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	// A record is renamed into its place.
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MOVED_TO|unix.IN_ONLYDIR); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &Watch{name, fd}, nil
}

// Close ends the watch.
func (w *Watch) Close() { unix.Close(w.fd) }

// Active reports whether the zone was made active since the watch began, or may
// have been.
func (w *Watch) Active() bool {
	var buf [64 << 10]byte
	for {
		n, err := unix.Read(w.fd, buf[:])
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return false
		case err != nil || n <= 0 || w.among(buf[:n]):
			return true
		}
	}
}

// among reports whether the events tell of the zone, or of others that were
// lost.
func (w *Watch) among(events []byte) bool {
	record := filepath.Base(Path(w.name, recordSuffix))
	for len(events) >= unix.SizeofInotifyEvent {
		mask, size := binary.NativeEndian.Uint32(events[4:]), binary.NativeEndian.Uint32(events[12:])
		end := unix.SizeofInotifyEvent + int(size)
		if mask&(unix.IN_Q_OVERFLOW|unix.IN_IGNORED) != 0 || end > len(events) {
			return true
		}
		name, _, _ := bytes.Cut(events[unix.SizeofInotifyEvent:end], []byte{0})
		if string(name) == record {
			return true
		}
		events = events[end:]
	}
	return false
}

// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"zones/internal/cgroup"
	"zones/internal/config"
	"zones/internal/control"
	"zones/internal/schema"
	"zones/internal/spec"
)

// wantsVolumes reports whether a configuration lets its zone have nodes of the
// volumes it creates. A zone without is not woken by every device of the
// machine.
func wantsVolumes(c *config.Config) bool {
	for _, pattern := range devicePatterns(c) {
		literal := pattern
		if i := strings.IndexAny(pattern, `*?[\`); i >= 0 {
			literal = pattern[:i]
		}
		if strings.HasPrefix(literal, zvolPrefix) || literal != pattern && strings.HasPrefix(zvolPrefix, literal) {
			return true
		}
	}
	return false
}

func devicePatterns(c *config.Config) []string {
	var patterns []string
	for _, r := range c.All(schema.DeviceResource) {
		pattern, _ := schema.DeviceMatch.Of(r)
		patterns = append(patterns, pattern)
	}
	return patterns
}

// listenVolumes opens the kernel's announcements of devices.
func listenVolumes() int {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return -1
	}
	// Events that are lost cost more than room for them; root may have it.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}); err != nil {
		unix.Close(fd)
		return -1
	}
	return fd
}

const zvolPrefix = "/dev/zvol/"

// volumes reads announcements and keeps the names of volumes' devices.
func (s *server) volumes() {
	var buf [8192]byte
	for range 64 {
		n, from, err := unix.Recvfrom(s.uevents, buf[:], unix.MSG_DONTWAIT)
		if errors.Is(err, unix.ENOBUFS) {
			s.appears(anyVolume)
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		// Only the kernel speaks for devices.
		if a, ok := from.(*unix.SockaddrNetlink); !ok || a.Pid != 0 {
			continue
		}
		if minor, ok := volumeGone(buf[:n]); ok {
			// At once: the number is free for another's volume.
			if err := cgroup.Forbid(control.GroupOf(s.name), minor); err != nil {
				s.log("%v", err)
				s.appears(anyVolume)
			}
		}
		if name := volumeDevice(buf[:n]); name != "" {
			s.appears(name)
		}
	}
}

// anyVolume stands for volumes that have gone, or may have, unseen.
const anyVolume = ""

// appears notes a volume's device until there is time for it. Zones make and
// destroy as many as they like: what is asked for comes before, and a name that
// comes again is waited for once.
func (s *server) appears(name string) {
	if !slices.Contains(s.appeared, name) {
		s.appeared = append(s.appeared, name)
	}
}

// chosen is what is to be done next: what was asked for first, or a device that
// has appeared; nil when that is nothing.
func (s *server) chosen() (r *control.Request) {
	switch {
	case len(s.pending) > 0:
		r, s.pending = s.pending[0], s.pending[1:]
	case len(s.appeared) > 0 && s.restart.at.IsZero():
		r, s.appeared = control.Resume(-1, opVolume, s.appeared[0], false), s.appeared[1:]
	}
	return r
}

// opVolume is the request that the kernel makes, for a volume's new device.
const opVolume control.Op = "volume"

// volumeDevice is the name of the device that an announcement adds, when it is
// a volume.
func volumeDevice(event []byte) string {
	if !bytes.HasPrefix(event, []byte("add@/devices/virtual/block/zd")) || !bytes.Contains(event, []byte("\x00DEVTYPE=disk\x00")) {
		return "" // or a partition of one
	}
	for _, field := range bytes.Split(event, []byte{0}) {
		if name, ok := bytes.CutPrefix(field, []byte("DEVNAME=")); ok && bytes.HasPrefix(name, []byte("zd")) {
			return string(name)
		}
	}
	return ""
}

// volumeGone is the minor number of a volume, or of a partition of one, that an
// announcement removes.
func volumeGone(event []byte) (minor uint32, ok bool) {
	if !bytes.HasPrefix(event, []byte("remove@/devices/virtual/block/zd")) {
		return 0, false
	}
	for _, field := range bytes.Split(event, []byte{0}) {
		if text, ok := bytes.CutPrefix(field, []byte("MINOR=")); ok {
			n, err := strconv.ParseUint(string(text), 10, 32)
			return uint32(n), err == nil
		}
	}
	return 0, false
}

// addVolume gives the zone a node of a new volume; the host's own appears a
// moment after it is announced.
func (s *server) addVolume(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, _, err := s.store.Load(s.name)
	if err != nil {
		return err
	}
	patterns := devicePatterns(c)
	wanted := func(node string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return spec.Matches(p, "/dev/"+node) })
	}
	if name == anyVolume {
		return s.machine.CheckVolumes(wanted)
	}
	for wait := 10 * time.Millisecond; wait < time.Second; wait *= 2 {
		if err = s.machine.AddVolume(ctx, name, wanted); err == nil {
			return nil
		}
		time.Sleep(wait)
	}
	return err
}

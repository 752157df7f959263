// SPDX-License-Identifier: Apache-2.0

// Package console makes the terminal that is a container's console and moves
// bytes between it and whoever watches it. It knows no zone.
package console

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A Terminal is a pseudo terminal of the host. The slave is kept open as well:
// without it the master ends whenever nobody inside has the console open.
type Terminal struct {
	Master, Slave *os.File
	Path          string // of the slave, on the host
}

// New makes a terminal whose slave belongs to uid, and does not become the
// controlling terminal of anybody.
func New(uid int) (*Terminal, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("make console: %w", err)
	}
	t := &Terminal{Master: os.NewFile(uintptr(fd), "console")}
	if err := t.open(uid); err != nil {
		t.Master.Close()
		return nil, fmt.Errorf("make console: %w", err)
	}
	return t, nil
}

func (t *Terminal) open(uid int) error {
	fd := int(t.Master.Fd())
	// Fd makes the descriptor block again.
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return err
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	t.Path = fmt.Sprintf("/dev/pts/%d", n)
	slave, err := unix.Open(t.Path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	t.Slave = os.NewFile(uintptr(slave), t.Path)
	if err := errors.Join(unix.Fchown(slave, uid, uid), unix.Fchmod(slave, 0o600)); err != nil {
		t.Slave.Close()
		return err
	}
	return nil
}

// Close closes both ends.
func (t *Terminal) Close() error { return errors.Join(t.Master.Close(), t.Slave.Close()) }

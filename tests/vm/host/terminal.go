// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"zones/tests/vm/wire"
)

// A terminal is the caller's standard input: a person's terminal, in which case
// the command gets one too, or a file or pipe that is passed on.
type terminal struct {
	tty   bool
	mute  bool // input is not ours to read
	saved *unix.Termios
}

func openTerminal() *terminal {
	t := &terminal{}
	_, err := unix.IoctlGetTermios(0, unix.TCGETS)
	if err != nil {
		return t
	}
	// A background job that reads its terminal is stopped by it.
	fg, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	if err != nil || fg != unix.Getpgrp() {
		t.mute = true
		return t
	}
	if _, err := unix.IoctlGetTermios(1, unix.TCGETS); err == nil {
		t.tty = true
	}
	return t
}

func (t *terminal) interactive() bool { return t.tty }

// raw hands every key to the guest.
func (t *terminal) raw() error {
	if !t.tty {
		return nil
	}
	saved, err := unix.IoctlGetTermios(0, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("read terminal: %w", err)
	}
	t.saved = saved
	r := *saved
	r.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	r.Oflag &^= unix.OPOST
	r.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	r.Cflag = r.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	r.Cc[unix.VMIN], r.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(0, unix.TCSETS, &r)
}

func (t *terminal) restore() {
	if t.saved != nil {
		_ = unix.IoctlSetTermios(0, unix.TCSETSF, t.saved)
		t.saved = nil
	}
}

func (t *terminal) size() (rows, columns uint16) {
	if !t.tty {
		return 0, 0
	}
	ws, err := unix.IoctlGetWinsize(1, unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	return ws.Row, ws.Col
}

// forward passes input and changes of the window on until the input's end.
func (t *terminal) forward(frames *wire.FrameWriter) {
	if t.tty {
		winch := make(chan os.Signal, 1)
		signal.Notify(winch, syscall.SIGWINCH)
		go func() {
			for range winch {
				var b [4]byte
				rows, columns := t.size()
				binary.BigEndian.PutUint16(b[:], rows)
				binary.BigEndian.PutUint16(b[2:], columns)
				_ = frames.Write(wire.WindowSize, b[:])
			}
		}()
	}
	buf := make([]byte, 32<<10)
	for !t.mute {
		n, err := os.Stdin.Read(buf)
		if n > 0 && frames.Write(wire.Stdin, buf[:n]) != nil {
			return
		}
		if err != nil {
			break
		}
	}
	_ = frames.Write(wire.StdinEnd, nil)
}

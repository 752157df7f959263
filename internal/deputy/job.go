// SPDX-License-Identifier: Apache-2.0

package deputy

import (
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What a caller may send after its request, a byte each.
const (
	orderInterrupt = 'i'
	orderStop      = 's'
	orderGoOn      = 'c'
	orderResize    = 'w'
)

// hear catches the signals that are passed on. They mean nothing yet.
func hear() chan os.Signal {
	got := make(chan os.Signal, 16)
	for _, s := range []os.Signal{unix.SIGINT, unix.SIGTSTP, unix.SIGWINCH} {
		if !signal.Ignored(s) {
			signal.Notify(got, s)
		}
	}
	return got
}

// forward has the command interrupted, told of the window's size, and stopped and
// continued with us, until ended is closed. The terminal knows the caller only: the command is in another
// session, and would go on and read what is typed for somebody else.
func forward(got <-chan os.Signal, ended <-chan struct{}, conn *net.UnixConn, stdin *os.File, reads bool) {
	order := func(o byte) { _, _ = conn.Write([]byte{o}) }
	for {
		select {
		case s := <-got:
			switch s {
			case unix.SIGINT:
				order(orderInterrupt)
			case unix.SIGWINCH:
				order(orderResize)
			case unix.SIGTSTP:
				order(orderStop)
				halt(unix.SIGSTOP)
				for reads && Background(stdin) {
					halt(unix.SIGTTIN)
					time.Sleep(100 * time.Millisecond)
				}
				order(orderGoOn)
			}
		case <-ended:
			return
		}
	}
}

// input is what a command has as its input that reads it all the time. In the
// background a terminal is not for it: then we stop, as who reads there does, and
// when that cannot be there is nothing to read.
func input(stdin *os.File) (*os.File, error) {
	if !Background(stdin) {
		return stdin, nil
	}
	_ = unix.Kill(0, unix.SIGTTIN)
	if Background(stdin) {
		halt(unix.SIGTTIN) // it may not have stopped us yet
	}
	if !Background(stdin) {
		return stdin, nil
	}
	return os.Open(os.DevNull)
}

// halt stops us by a signal, and returns when we go on. It is sent to the thread
// that waits for it: what is sent to the process stops that a moment later.
func halt(s syscall.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), s)
}

// Background reports whether a file is the terminal of our session and another
// group of processes than ours has it.
func Background(f *os.File) bool {
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && group != syscall.Getpgrp()
}

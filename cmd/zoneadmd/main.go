// SPDX-License-Identifier: Apache-2.0

// Zoneadmd is the supervisor of one zone. zoneadm(8) and zlogin(1) start it;
// it is not for direct use.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"zones/internal/control"
	"zones/internal/supervisor"
	"zones/internal/zone"
)

// The main goroutine keeps the main thread, whose mounts are the process's in
// /proc, away from the goroutine that makes a zone's.
func init() { runtime.LockOSThread() }

func main() {
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGPIPE, unix.SIGTERM)
	if len(os.Args) == 4 && os.Args[1] == supervisor.RoleFlag {
		fd, err := strconv.Atoi(os.Args[2])
		if err == nil {
			err = supervisor.Resume(fd, os.Args[3])
		}
		if err != nil {
			os.Exit(1)
		}
		return
	}
	if len(os.Args) != 3 || os.Args[1] != "-z" {
		fmt.Fprintf(os.Stderr, "Usage: zoneadmd -z zonename\n\tThis is started by zoneadm(8) and zlogin(1), and not for direct use.\n")
		os.Exit(2)
	}
	os.Exit(start(os.Args[2]))
}

// start runs a supervisor that tells whoever waits at the descriptor kept for
// it, or the standard error, why it cannot.
func start(text string) int {
	report := os.Stderr
	if _, err := unix.FcntlInt(control.ReadyFD, unix.F_GETFD, 0); err == nil {
		unix.CloseOnExec(control.ReadyFD)
		report = os.NewFile(control.ReadyFD, "ready")
	}
	name, err := zone.ParseName(text)
	if err == nil {
		err = supervisor.Run(name, func() {
			if report != os.Stderr {
				report.Close()
			}
		})
	}
	if err == nil {
		return 0
	}
	var refused *supervisor.RefusedError
	if errors.As(err, &refused) {
		fmt.Fprintln(report, refused.Text)
	} else {
		fmt.Fprintf(report, "zone '%s': %v\n", text, err)
	}
	return 1
}

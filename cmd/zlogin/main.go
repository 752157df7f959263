// SPDX-License-Identifier: Apache-2.0

// Zlogin enters a running zone, with a terminal or with one command, or attends
// a zone's console. It starts and stops no zone; what it needs zoneadmd for it
// asks it.
package main

import (
	"context"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"zones/internal/cli"
)

func main() {
	if quits := make(chan os.Signal, 1); !signal.Ignored(unix.SIGQUIT) {
		signal.Notify(quits, unix.SIGQUIT)
		go quit(quits)
	}
	speaker := &cli.Speaker{Program: cli.ProgramName(os.Args[0]), Out: os.Stdout, Err: os.Stderr}
	os.Exit(run(context.Background(), os.Args[1:], speaker))
}

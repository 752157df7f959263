// SPDX-License-Identifier: Apache-2.0

// Zoneadm administers zones: it installs, boots, halts, moves, lists
// and removes them. It configures none and runs none: see zoneadm(8).
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"zones/internal/cli"
)

func main() { os.Exit(run()) }

// run carries out one command line with the process's own streams. What it
// makes must not depend on the caller's folder, mask or hang-ups.
func run() int {
	_ = os.Chdir("/")
	syscall.Umask(0o022)
	say := &cli.Speaker{Program: cli.ProgramName(os.Args[0]), Out: os.Stdout, Err: os.Stderr}
	if say.Program == deputyName {
		// Also those that are ignored: what it starts for others is to hear them.
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
		defer stop()
		return serve(ctx, say)
	}
	ctx, interrupts := cli.CatchInterrupts(context.Background())
	e := &env{say: say, in: os.Stdin, ctx: ctx, hold: interrupts.Hold, args: os.Args[1:], caller: cli.Caller()}
	return e.main(ctx, os.Args[1:])
}

// SPDX-License-Identifier: Apache-2.0

// Zoneadm administers zones: it installs, boots, halts, moves, lists
// and removes them. It configures none and runs none: see zoneadm(8).
package main

import (
	"context"
	"os"
	"syscall"

	"zones/internal/cli"
)

func main() { os.Exit(run()) }

// run carries out one command line with the process's own streams. What it
// makes must not depend on the caller's folder, mask or hang-ups.
func run() int {
	ctx, interrupts := cli.CatchInterrupts(context.Background())
	_ = os.Chdir("/")
	syscall.Umask(0o022)
	say := &cli.Speaker{Program: cli.ProgramName(os.Args[0]), Out: os.Stdout, Err: os.Stderr}
	if say.Program == deputyName {
		return serve(ctx, say)
	}
	e := &env{say: say, in: os.Stdin, ctx: ctx, hold: interrupts.Hold, args: os.Args[1:], caller: cli.Caller()}
	return e.main(ctx, os.Args[1:])
}

// SPDX-License-Identifier: Apache-2.0

// Delegns shows and changes delegation namespaces: it is the kernel module's
// raw tool, for other orchestrators and for debugging, and knows no zone. See
// delegns(8).
package main

import (
	"errors"
	"os"

	"zones/internal/cli"
)

func main() {
	if os.Args[0] == initName {
		os.Exit(initMain())
	}
	os.Exit(run(os.Args[1:]))
}

// statusError is an exit status of somebody else's, to be passed on.
type statusError int

func (statusError) Error() string { return "" }

// usageError is a command line that makes no sense.
type usageError struct{ error }

// run carries out one command line.
func run(args []string) int {
	say := &cli.Speaker{Program: "delegns", Out: os.Stdout, Err: os.Stderr}
	root := commands()
	root.SetArgs(args)
	var out output
	root.SetOut(&out)
	cmd, err := root.ExecuteC()
	if err == nil {
		err = out.err
	}
	var status statusError
	var usage usageError
	switch {
	case err == nil:
		return cli.ExitOK
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &usage):
		say.Plain(err.Error())
		say.Bare("usage: " + cmd.UseLine())
		return cli.ExitUsage
	}
	say.Plain(err.Error())
	if cmd.Name() == "run" {
		return exitNotRun
	}
	return cli.ExitError
}

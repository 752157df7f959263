// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os"

	"zones/internal/cli"
)

// run carries the command line out and returns the exit status.
func run(ctx context.Context, args []string, say *cli.Speaker) int {
	o, err := parse(args)
	if err != nil {
		return misused(say, err)
	}
	stdin, err := ownStdin(o)
	if err != nil {
		say.About(err.Error())
		return cli.ExitError
	}
	if err := o.settle(isTerminal(stdin)); err != nil {
		return misused(say, err)
	}
	t, err := o.check()
	if errors.Is(err, errUnprivileged) && os.Geteuid() != 0 {
		var status int
		if status, err = o.forward(ctx, args, stdin); err == nil {
			return status
		}
	}
	if err != nil {
		say.About(err.Error())
		return cli.ExitError
	}
	status, err := cli.ExitError, error(nil)
	switch o.mode {
	case console:
		status, err = t.console(ctx, o, stdin, say)
	case interactive:
		status, err = t.interactive(ctx, o, stdin, say)
	default:
		status, err = t.command(ctx, o, stdin, say)
	}
	if err != nil {
		say.About(err.Error())
		return cli.ExitError
	}
	return status
}

func misused(say *cli.Speaker, err error) int {
	var option *cli.OptionError
	if !errors.Is(err, errUsage) {
		say.About(err.Error())
	} else if errors.As(err, &option) {
		say.About(option.Error())
	}
	say.Bare(usage)
	return cli.ExitUsage
}

func ownStdin(o *options) (*os.File, error) {
	if o.noStdin {
		return os.Open(os.DevNull)
	}
	return os.Stdin, nil
}

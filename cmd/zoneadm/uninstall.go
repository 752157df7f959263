// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"zones/internal/cli"
	"zones/internal/zone"
)

func uninstall(ctx context.Context, e *env, v *verb, args []string) error {
	if err := e.here("uninstall"); err != nil {
		return err
	}
	force := false
	rest, err := e.brandOptions(v, args, "F", func(byte, string) { force = true })
	if err == nil && len(rest) > 0 {
		err = misused(v)
	}
	if err != nil {
		return err
	}
	if err := e.sanity(zone.Uninstall); err != nil {
		return err
	}
	agreed := e.confirm
	if force {
		agreed = func(context.Context) (bool, error) { return true, nil }
	}
	return e.zones.Uninstall(ctx, e.zone, agreed)
}

// confirm asks whether the zone may be uninstalled until there is an answer;
// the end of input is a no.
func (e *env) confirm(ctx context.Context) (bool, error) {
	if !cli.Terminal(e.in) {
		return false, refuse("Input not from terminal and -F not specified: uninstall not done.")
	}
	in := bufio.NewReader(e.in)
	for {
		fmt.Fprintf(e.say.Out, "Are you sure you want to uninstall zone %s (y/[n])? ", e.zone)
		answer, err := cli.Await(ctx, func() (string, error) { return in.ReadString('\n') })
		switch {
		case ctx.Err() != nil:
			fmt.Fprintln(e.say.Out)
			return false, ctx.Err()
		case err != nil && err != io.EOF, answer == "", answer == "\n", answer[0] == 'n', answer[0] == 'N':
			return false, nil
		case answer[0] == 'y', answer[0] == 'Y':
			return true, nil
		case err == io.EOF:
			return false, nil
		}
	}
}

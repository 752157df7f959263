// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"zones/internal/cli"
	"zones/internal/zone"
)

// mark sets a state by force. What makes no sense is answered with the status
// alone: its callers are scripts.
func mark(ctx context.Context, e *env, _ *verb, args []string) error {
	silent := &usageError{status: cli.ExitUsage, silent: true}
	force := false
	g := cli.NewGetopt(args, "?F")
	for {
		letter, _, err := g.Next()
		if err != nil || letter == '?' {
			return silent
		}
		if letter == 0 {
			break
		}
		force = true
	}
	words := g.Operands()
	if len(words) != 1 {
		return silent
	}
	state, err := zone.ParseState(words[0])
	if err != nil || state > zone.Installed || state != zone.Incomplete && !force {
		return silent
	}
	if err := e.sanity(zone.Mark); err != nil {
		return err
	}
	return e.zones.Mark(ctx, e.zone, state)
}

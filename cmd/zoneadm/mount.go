// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"zones/internal/cli"
	"zones/internal/zone"
)

func mount(ctx context.Context, e *env, _ *verb, args []string) error {
	id := zone.Mount
	if len(args) == 1 && args[0] == "-f" {
		id, args = zone.ForceMount, nil
	}
	if len(args) > 0 {
		return &usageError{status: cli.ExitUsage, silent: true}
	}
	// A supervisor manages a zone of the running system alone.
	if err := e.here("mount"); err != nil {
		return err
	}
	if err := e.sanity(id); err != nil {
		return err
	}
	return e.zones.Start(ctx, e.zone, id, "")
}

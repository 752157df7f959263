// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"zones/internal/cli"
	"zones/internal/zone"
)

func unmount(ctx context.Context, e *env, _ *verb, args []string) error {
	if len(args) > 0 {
		return &usageError{status: cli.ExitUsage, silent: true}
	}
	if err := e.here("unmount"); err != nil {
		return err
	}
	if err := e.sanity(zone.Unmount); err != nil {
		return err
	}
	return e.zones.Start(ctx, e.zone, zone.Unmount, "")
}

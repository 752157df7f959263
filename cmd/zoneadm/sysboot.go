// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"zones/internal/cli"
	"zones/internal/zone"
)

// sysboot tells the brand of a zone that does not boot by itself that the
// system did.
func sysboot(ctx context.Context, e *env, v *verb, args []string) error {
	if e.root != "" || len(args) > 0 {
		return &usageError{status: cli.ExitUsage}
	}
	if err := e.sanity(zone.SysBoot); err != nil {
		return err
	}
	return e.zones.SysBoot(ctx, e.zone)
}

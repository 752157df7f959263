// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"zones/internal/cli"
	"zones/internal/zone"
)

// sysboot tells the brand of a zone that does not boot by itself that the
// system did. No brand has anything to do then, so the checks are all of it.
func sysboot(_ context.Context, e *env, v *verb, args []string) error {
	if e.root != "" || len(args) > 0 {
		return &usageError{status: cli.ExitUsage}
	}
	_, err := e.sanity(zone.SysBoot)
	return err
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"zones/internal/cli"
	"zones/internal/zone"
)

// apply puts the global zone's resource controls into force.
func apply(_ context.Context, e *env, _ *verb, args []string) error {
	if e.root != "" || e.zone != zone.Global || len(args) > 0 {
		return &usageError{status: cli.ExitUsage}
	}
	if !cli.Privileged() {
		return refuse("only a privileged user may %v a zone.", zone.Apply)
	}
	return e.zones.Apply()
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"zones/internal/zone"
)

func shutdown(ctx context.Context, e *env, v *verb, args []string) error {
	if err := e.here("shut down"); err != nil {
		return err
	}
	again := false
	rest, err := e.options(v, args, "r", func(byte, string) { again = true })
	if err != nil {
		return err
	}
	line, err := bootArgs(rest)
	if err != nil {
		return err
	}
	if err := e.sanity(zone.Shutdown); err != nil {
		return err
	}
	return e.zones.Shutdown(ctx, e.zone, again, line)
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"zones/internal/zone"
)

func halt(ctx context.Context, e *env, v *verb, args []string) error {
	if err := e.here("halt"); err != nil {
		return err
	}
	if err := e.none(v, args); err != nil {
		return err
	}
	if err := e.sanity(zone.Halt); err != nil {
		return err
	}
	return e.zones.Halt(ctx, e.zone)
}

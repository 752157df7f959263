// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"zones/internal/zone"
)

func move(ctx context.Context, e *env, v *verb, args []string) error {
	if err := e.here("move"); err != nil {
		return err
	}
	rest, err := e.options(v, args, "", nil)
	if err == nil && len(rest) != 1 {
		err = misused(v)
	}
	if err != nil {
		return err
	}
	if err := e.sanity(zone.Move); err != nil {
		return err
	}
	return e.zones.Move(ctx, e.zone, rest[0])
}

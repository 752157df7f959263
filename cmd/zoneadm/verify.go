// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"zones/internal/zone"
)

func verify(ctx context.Context, e *env, v *verb, args []string) error {
	if err := e.none(v, args); err != nil {
		return err
	}
	if err := e.sanity(zone.Verify); err != nil {
		return err
	}
	e.zones.TellDamage()
	return e.zones.Verify(ctx, e.zone, zone.Verify)
}

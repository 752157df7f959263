// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"zones/internal/zone"
)

func ready(ctx context.Context, e *env, v *verb, args []string) error {
	if err := e.here("ready"); err != nil {
		return err
	}
	if err := e.none(v, args); err != nil {
		return err
	}
	if err := e.sanity(zone.ReadyUp); err != nil {
		return err
	}
	return e.zones.Start(ctx, e.zone, zone.ReadyUp, "")
}

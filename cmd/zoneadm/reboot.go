// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"zones/internal/zone"
)

func reboot(ctx context.Context, e *env, v *verb, args []string) error {
	if err := e.here("reboot"); err != nil {
		return err
	}
	rest, err := e.options(v, args, "", nil)
	if err != nil {
		return err
	}
	line, err := bootArgs(rest)
	if err != nil {
		return err
	}
	if err = e.sanity(zone.Reboot); err != nil {
		return err
	}
	return e.zones.Start(ctx, e.zone, zone.Reboot, line)
}

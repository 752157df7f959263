// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"zones/internal/zone"
)

func detach(ctx context.Context, e *env, v *verb, args []string) error {
	if err := e.here("detach"); err != nil {
		return err
	}
	dry := false
	rest, err := e.brandOptions(v, args, "n", func(byte, string) { dry = true })
	if err == nil && len(rest) > 0 {
		err = misused(v)
	}
	if err != nil {
		return err
	}
	if dry {
		switch e.zone {
		case "":
			return refuse("no zone specified")
		case zone.Global:
			return refuse("%v operation is invalid for the global zone.", zone.Detach)
		}
		return e.zones.WriteManifest(e.zone, e.say.Out)
	}
	if err := e.sanity(zone.Detach); err != nil {
		return err
	}
	return e.zones.Detach(ctx, e.zone)
}

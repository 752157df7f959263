// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"

	"zones/internal/cli"
	"zones/internal/lifecycle"
	"zones/internal/zone"
)

func clone(ctx context.Context, e *env, v *verb, args []string) error {
	if err := e.here("clone"); err != nil {
		return err
	}
	var how lifecycle.CloneOptions
	rest, err := e.brandOptions(v, args, "m:s:", func(letter byte, arg string) {
		if letter == 'm' {
			how.Method = arg
		} else {
			how.Snapshot = arg
		}
	})
	if len(rest) != 1 {
		err = misused(v)
	}
	if err != nil {
		return err
	}
	if err := e.sanity(zone.Clone); err != nil {
		return err
	}
	source := zone.Name(rest[0])
	how.Denied = e.caller != 0 && !e.zones.Authorized(source, e.user, "clonefrom")
	err = e.zones.Clone(ctx, e.zone, source, how)
	if errors.Is(err, lifecycle.ErrMethod) {
		return &usageError{verb: v, status: cli.ExitError}
	}
	return err
}

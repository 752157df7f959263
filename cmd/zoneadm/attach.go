// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"zones/internal/cli"
	"zones/internal/zone"
)

// attachOptions are those that zoneadm knows itself.
const attachOptions = "Fn:uU"

// checksManifest reports whether a command line only looks at a manifest, whose
// zone need not exist.
func checksManifest(v *verb, args []string) bool {
	if v == nil || v.id != zone.Attach {
		return false
	}
	opts := cli.NewGetopt(args, attachOptions)
	for {
		switch letter, _, err := opts.Next(); {
		case letter == 'n' && err == nil:
			return true
		case letter == 0:
			return false
		}
	}
}

func attach(ctx context.Context, e *env, v *verb, args []string) error {
	if err := e.here("attach"); err != nil {
		return err
	}
	var manifest string
	var dry, force bool
	id := zone.Attach
	update := false
	rest, err := e.brandOptions(v, args, attachOptions, func(letter byte, arg string) {
		switch letter {
		case 'u':
			update = true
		case 'F':
			force = true
		case 'n':
			dry, manifest = true, arg
		case 'U':
			id, update = zone.AttachUpdate, true
		}
	})
	if update {
		e.zones.Words = append([]string{"-u"}, e.zones.Words...)
	}
	if err == nil && len(rest) > 0 {
		err = misused(v)
	}
	if err != nil {
		return err
	}
	if dry && force {
		return refuse("-F and -n flags are mutually exclusive")
	}
	if dry && e.deputized() {
		return refuse("a manifest is checked with one's own rights")
	}
	if dry {
		return e.zones.CheckManifest(ctx, manifest, e.in)
	}
	if err := e.sanity(id); err != nil {
		return err
	}
	return e.zones.Attach(ctx, e.zone, id, force)
}

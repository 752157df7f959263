// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"

	"zones/internal/zone"
)

// maxBootArgs is the longest boot argument string in bytes.
const maxBootArgs = 255

func boot(ctx context.Context, e *env, v *verb, args []string) error {
	if err := e.here("boot"); err != nil {
		return err
	}
	id := zone.Boot
	var words []string
	rest, err := e.options(v, args, "sf", func(letter byte, _ string) {
		switch letter {
		case 's':
			words = append(words, "-s")
		case 'f':
			id = zone.ForceBoot
		}
	})
	if err != nil {
		return err
	}
	line, err := bootArgs(append(words, rest...))
	if err != nil {
		return err
	}
	if err = e.sanity(id); err != nil {
		return err
	}
	return e.zones.Start(ctx, e.zone, id, line)
}

// bootArgs joins boot arguments by single blanks.
func bootArgs(words []string) (string, error) {
	line := strings.Join(words, " ")
	if len(line) > maxBootArgs {
		return "", refuse("Boot argument list too long")
	}
	return line, nil
}

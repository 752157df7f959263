// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"

	"zones/internal/cli"
	"zones/internal/zone"
)

func help(_ context.Context, e *env, _ *verb, args []string) error {
	if len(args) == 0 {
		_, _ = io.WriteString(e.say.Out, usage(true))
		return nil
	}
	for _, word := range args {
		v := lookup(word)
		if v == nil || v.private {
			return misused(lookup(zone.Help.String()))
		}
		_, _ = io.WriteString(e.say.Err, v.usage())
	}
	return nil
}

// globalUsage is the answer to a global option that cannot be read.
func (e *env) globalUsage() int {
	_, _ = io.WriteString(e.say.Out, usage(true))
	return cli.ExitUsage
}

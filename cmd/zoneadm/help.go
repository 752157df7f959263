// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"

	"zones/internal/cli"
)

func help(_ context.Context, e *env, v *verb, args []string) error {
	words, err := e.options(v, args, "", nil)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		_, _ = io.WriteString(e.say.Out, usage(true))
		return nil
	}
	for _, word := range words {
		asked := lookup(word)
		if asked == nil || asked.private {
			return misused(v)
		}
		_, _ = io.WriteString(e.say.Err, asked.usage())
	}
	return nil
}

// globalUsage is the answer to a global option that cannot be read.
func (e *env) globalUsage() int {
	_, _ = io.WriteString(e.say.Out, usage(true))
	return cli.ExitUsage
}

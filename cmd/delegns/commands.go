// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"math"

	"github.com/spf13/cobra"
)

// commands is the table of all verbs, each in the file of its name.
func commands() *cobra.Command {
	root := &cobra.Command{
		Use:           "delegns COMMAND [ARG...]",
		Short:         "Show and change delegation namespaces",
		Long:          "NS is an id, or a path of names from the caller's own namespace (\"web\", \"web/inner\";\n\"./5\" when a name is digits alone). RES is CONSUMER:NAME (\"zfs:tank/a\"). NSFILE is a file\nof a user namespace, as /proc/PID/ns/user.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          operands(0, many),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{errors.New("unknown command: " + args[0])}
			}
			return usageError{errors.New("a command is needed: list, show, run, create, attach, detach, grant, revoke, destroy or wait")}
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(listCommand(), showCommand(), runCommand(), createCommand(), attachCommand(),
		detachCommand(), grantCommand(), revokeCommand(), destroyCommand(), waitCommand())
	for _, c := range append(root.Commands(), root) {
		c.DisableFlagsInUseLine = true
		c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	}
	return root
}

// many stands for any number of operands.
const many = math.MaxInt

// operands wants from min to max operands.
func operands(min, max int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < min:
			return usageError{errors.New("an operand is missing")}
		case len(args) > max:
			return usageError{fmt.Errorf("one operand too many: %s", args[max])}
		}
		return nil
	}
}

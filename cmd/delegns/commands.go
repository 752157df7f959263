// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// commands is the table of all verbs, each in the file of its name.
func commands() *cobra.Command {
	root := &cobra.Command{
		Use:           "delegns",
		Short:         "Show and change delegation namespaces",
		Long:          "NS is an id, or a path of names from the caller's own namespace (\"web\", \"web/inner\";\n\"./5\" when a name is digits alone). RES is CONSUMER:NAME (\"zfs:tank/a\"). NSFILE is a file\nof a user namespace, as /proc/PID/ns/user.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
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
		if check := c.Args; check != nil {
			c.Args = func(c *cobra.Command, args []string) error {
				if err := check(c, args); err != nil {
					return usageError{err}
				}
				return nil
			}
		}
	}
	return root
}

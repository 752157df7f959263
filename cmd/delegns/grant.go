// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"zones/internal/delegns"
)

func grantCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "grant NS RES...",
		Short: "Grant resources to a namespace",
		Args:  operands(2, many),
		RunE: func(_ *cobra.Command, args []string) error {
			return withResources(args, (*delegns.NS).Grant, (*delegns.NS).Revoke)
		},
	}
}

func revokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NS RES...",
		Short: "Take resources away from a namespace and from those below it",
		Args:  operands(2, many),
		RunE: func(_ *cobra.Command, args []string) error {
			return withResources(args, (*delegns.NS).Revoke, nil)
		},
	}
}

// withResources does something with each resource of args, and undoes what was
// done when one fails, if that can be undone.
func withResources(args []string, do, back func(*delegns.NS, string, string) error) error {
	var parsed [][2]string
	for _, arg := range args[1:] {
		consumer, name, err := delegns.ParseResource(arg)
		if err != nil {
			return usageError{err}
		}
		parsed = append(parsed, [2]string{consumer, name})
	}
	return withNS(args[0], func(ns *delegns.NS) error {
		for i, r := range parsed {
			err := do(ns, r[0], r[1])
			if err == nil {
				continue
			}
			for ; back != nil && i > 0; i-- {
				_ = back(ns, parsed[i-1][0], parsed[i-1][1])
			}
			return err
		}
		return nil
	})
}

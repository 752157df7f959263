// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"zones/internal/delegns"
)

func attachCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "attach NS NSFILE",
		Short: "Attach a user namespace, and hand it what is granted",
		Args:  operands(2, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			return withNS(args[0], func(ns *delegns.NS) error { return attachFile(ns, args[1]) })
		},
	}
}

func detachCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "detach NS NSFILE",
		Short: "Take what is granted away from a user namespace, and detach it",
		Args:  operands(2, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			return withNS(args[0], func(ns *delegns.NS) error { return withFile(args[1], ns.Detach) })
		},
	}
}

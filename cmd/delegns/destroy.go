// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"zones/internal/delegns"
)

func destroyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "destroy NS",
		Short: "End a namespace and all below it; processes go on without what was granted",
		Args:  operands(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			return withNS(args[0], (*delegns.NS).Destroy)
		},
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"zones/internal/delegns"
)

// exitTimeout is the status of a wait that lasted too long, as timeout(1)'s.
const exitTimeout = statusError(124)

func waitCommand() *cobra.Command {
	var limit string
	c := &cobra.Command{
		Use:   "wait [-t SECONDS] NS",
		Short: "Wait until a namespace is gone",
		Args:  operands(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := context.Background()
			if c.Flags().Changed("timeout") {
				seconds, err := strconv.ParseFloat(limit, 64)
				if err != nil || !(seconds >= 0 && seconds < math.MaxInt32) {
					return usageError{fmt.Errorf("-t %s: not a number of seconds", limit)}
				}
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Duration(seconds*float64(time.Second)))
				defer cancel()
			}
			err := withNS(args[0], func(ns *delegns.NS) error { return ns.Wait(ctx) })
			if errors.Is(err, context.DeadlineExceeded) {
				return exitTimeout
			}
			if errors.Is(err, delegns.ErrNotExist) {
				return nil // gone before it could be opened
			}
			return err
		},
	}
	c.Flags().StringVarP(&limit, "timeout", "t", "", "wait no longer than this")
	return c
}

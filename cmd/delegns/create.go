// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"zones/internal/delegns"
)

func createCommand() *cobra.Command {
	var files []string
	c := &cobra.Command{
		Use:   "create -a NSFILE [-a NSFILE]... NAME",
		Short: "Make a namespace that lives as long as these user namespaces",
		Args:  operands(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(files) == 0 {
				return usageError{errors.New("-a is needed: with no user namespace it would end with this command")}
			}
			d, err := delegns.Open()
			if err != nil {
				return err
			}
			defer d.Close()
			ns, err := d.Create(args[0])
			if err != nil {
				return err
			}
			defer ns.Close()
			for _, f := range files {
				if err := attachFile(ns, f); err != nil {
					return errors.Join(err, ns.Destroy())
				}
			}
			signal.Ignore(syscall.SIGPIPE) // or a pipe that nobody reads ends us here
			if _, err := fmt.Println(ns.ID()); err != nil {
				// Who asked for it does not know what to call it.
				return errors.Join(err, ns.Destroy())
			}
			return nil
		},
	}
	c.Flags().StringArrayVarP(&files, "attach", "a", nil, "attach this user namespace")
	return c
}

// attachFile attaches the user namespace that a file names.
func attachFile(ns *delegns.NS, path string) error { return withFile(path, ns.Attach) }

// withFile opens a file of a user namespace for the time of do. What is none
// may be a pipe that nobody writes to: it is not waited for.
func withFile(path string, do func(*os.File) error) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return do(f)
}

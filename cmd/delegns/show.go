// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"zones/internal/delegns"
)

func showCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show [-j] NS",
		Short: "Show one namespace",
		Args:  operands(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			return withNS(args[0], func(ns *delegns.NS) error {
				d, err := detailsOf(ns)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(os.Stdout, d)
				}
				return printDetails(os.Stdout, d)
			})
		},
	}
	c.Flags().BoolVarP(&asJSON, "json", "j", false, "write JSON")
	return c
}

// withNS opens NS for the time of do, without keeping it alive.
func withNS(name string, do func(*delegns.NS) error) error {
	d, err := delegns.Open()
	if err != nil {
		return err
	}
	defer d.Close()
	ns, err := d.Lookup(name, delegns.Watch)
	if err != nil {
		return err
	}
	defer ns.Close()
	return do(ns)
}

type grantDetail struct {
	Resource string `json:"resource"`
	Maximal  bool   `json:"maximal"`
}

// details is everything there is to know of a namespace.
type details struct {
	ID        uint64        `json:"id"`
	Name      string        `json:"name"`
	Parent    uint64        `json:"parent"`
	Depth     int           `json:"depth"`
	Owner     uint64        `json:"owner"`
	Empty     bool          `json:"empty"`
	Holders   int           `json:"holders"`
	Children  int           `json:"children"`
	Processes int           `json:"processes"`
	Attached  []uint64      `json:"attached"`
	Grants    []grantDetail `json:"grants"`
}

func detailsOf(ns *delegns.NS) (*details, error) {
	info, err := ns.Info(true)
	if err != nil {
		return nil, err
	}
	attached, err := ns.Attached()
	if err != nil {
		return nil, err
	}
	grants, err := ns.Grants()
	if err != nil {
		return nil, err
	}
	d := &details{ID: info.ID, Name: info.Name, Parent: info.Parent, Depth: info.Depth, Owner: info.Owner, Empty: info.Empty,
		Holders: info.Holders, Children: info.Children, Processes: info.Processes, Attached: []uint64{}, Grants: []grantDetail{}}
	for _, a := range attached {
		d.Attached = append(d.Attached, a.Inode)
	}
	for _, g := range grants {
		d.Grants = append(d.Grants, grantDetail{g.String(), g.Maximal})
	}
	return d, nil
}

func printDetails(w io.Writer, d *details) error {
	t := tabwriter.NewWriter(w, 0, 8, 1, ' ', 0)
	fmt.Fprintf(t, "id:\t%d\nname:\t%s\nparent:\t%d\ndepth:\t%d\nowner:\tuser:[%d]\n", d.ID, d.Name, d.Parent, d.Depth, d.Owner)
	fmt.Fprintf(t, "holders:\t%d\nchildren:\t%d\nprocesses:\t%d\n", d.Holders, d.Children, d.Processes)
	for _, a := range d.Attached {
		fmt.Fprintf(t, "attached:\tuser:[%d]\n", a)
	}
	if d.Empty {
		fmt.Fprintln(t, "attached:\tnone any more")
	}
	for _, g := range d.Grants {
		note := ""
		if !g.Maximal {
			note = " (covered by another grant)"
		}
		fmt.Fprintf(t, "grant:\t%s%s\n", g.Resource, note)
	}
	return t.Flush()
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"zones/internal/delegns"
)

func listCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list [-j] [NS]",
		Short: "List the namespaces below the caller's own, or NS and those below it",
		Args:  operands(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			d, err := delegns.Open()
			if err != nil {
				return err
			}
			defer d.Close()
			rows, err := listRows(d, args)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(os.Stdout, rows)
			}
			return printRows(os.Stdout, rows)
		},
	}
	c.Flags().BoolVarP(&asJSON, "json", "j", false, "write JSON")
	return c
}

// A row is one namespace as list shows it.
type row struct {
	ID        uint64   `json:"id"`
	Name      string   `json:"name"`
	Path      string   `json:"path"` // from the caller's own namespace; empty for that
	Parent    uint64   `json:"parent"`
	Depth     int      `json:"depth"`
	Attached  int      `json:"attached"`
	Children  int      `json:"children"`
	Processes int      `json:"processes"`
	Empty     bool     `json:"empty"`
	Grants    []string `json:"grants"`
}

// listRows lists what is below the caller's own, or args[0] and below it.
func listRows(d *delegns.Device, args []string) ([]row, error) {
	var top uint64
	rows := []row{}
	if len(args) > 0 {
		ns, err := d.Lookup(args[0], delegns.Watch)
		if err != nil {
			return nil, err
		}
		defer ns.Close()
		top = ns.ID()
		if rows, err = ownRow(d, ns); err != nil {
			return nil, err
		}
	}
	entries, err := d.List(true)
	if err != nil {
		return nil, err
	}
	paths := map[uint64]string{}
	below := map[uint64]bool{top: true}
	for _, e := range entries { // parents come before their children
		path := e.Name
		if up, ok := paths[e.Parent]; ok {
			path = up + "/" + e.Name
		}
		paths[e.ID] = path
		if len(args) > 0 && !below[e.ID] && !below[e.Parent] {
			continue
		}
		below[e.ID] = true
		grants, err := grantNames(d, e)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{e.ID, e.Name, path, e.Parent, e.Depth, e.Attached, e.Children, e.Processes, e.Empty, grants})
	}
	return rows, nil
}

// ownRow is the row of ns if that is the caller's own, which a list is without.
func ownRow(d *delegns.Device, ns *delegns.NS) ([]row, error) {
	info, err := ns.Info(true)
	if err != nil || info.Depth > 0 {
		return []row{}, err
	}
	grants, err := grantNames(d, delegns.Entry{ID: info.ID, Grants: info.Grants})
	return []row{{info.ID, info.Name, "", info.Parent, info.Depth, info.Attached, info.Children, info.Processes, info.Empty, grants}}, err
}

// grantNames are a namespace's grants; none when it went in the meantime.
func grantNames(d *delegns.Device, e delegns.Entry) ([]string, error) {
	names := []string{}
	if e.Grants == 0 {
		return names, nil
	}
	ns, err := d.OpenByID(e.ID, delegns.Watch)
	if errors.Is(err, delegns.ErrNotExist) {
		return names, nil
	}
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	grants, err := ns.Grants()
	if err != nil && !errors.Is(err, delegns.ErrNotExist) {
		return nil, err
	}
	for _, g := range grants {
		names = append(names, g.String())
	}
	return names, nil
}

// shown is how many grants of a namespace a line has room for.
const shown = 3

func printRows(w io.Writer, rows []row) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tNAME\tPARENT\tPROCESSES\tGRANTS")
	for _, r := range rows {
		grants := strings.Join(r.Grants[:min(shown, len(r.Grants))], ",")
		switch {
		case grants == "":
			grants = "-"
		case len(r.Grants) > shown:
			grants += ",+" + strconv.Itoa(len(r.Grants)-shown)
		}
		name := r.Path
		if name == "" {
			name = r.Name
		}
		fmt.Fprintf(t, "%d\t%s\t%d\t%d\t%s\n", r.ID, name, r.Parent, r.Processes, grants)
	}
	return t.Flush()
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

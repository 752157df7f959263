// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"zones/internal/lifecycle"
	"zones/internal/zone"
)

// listForm is how list prints a zone.
type listForm int

const (
	names listForm = iota
	table
	parsable
	asJSON
)

func list(ctx context.Context, e *env, v *verb, args []string) error {
	var filter lifecycle.Filter
	forms := map[byte]bool{}
	filter.Min = zone.Installed
	rest, err := e.options(v, args, "icnpvj", func(letter byte, _ string) {
		switch letter {
		case 'i':
			filter.Inactive = true
		case 'c':
			filter.Inactive, filter.Min = true, zone.Configured
		case 'n':
			filter.NoGlobal = true
		default:
			forms[letter] = true
		}
	})
	if err != nil {
		return err
	}
	if forms['p'] && forms['v'] {
		return refuse("list -p and -v are mutually exclusive.")
	}
	form := names
	switch {
	case forms['j'] && len(forms) > 1:
		return refuse("list -j excludes -p and -v.")
	case forms['j']:
		form = asJSON
	case forms['p']:
		form = parsable
	case forms['v']:
		form = table
	}
	if e.zone == "" {
		rows, err := e.zones.List(filter)
		if err != nil {
			return err
		}
		e.zones.TellDamage()
		return e.print(form, rows)
	}
	if filter.Inactive || filter.NoGlobal || len(rest) > 0 {
		return misused(v)
	}
	if form == asJSON {
		return e.printStatus()
	}
	row, err := e.zones.Row(e.zone)
	if err != nil {
		e.zones.TellDamage()
		return err
	}
	if err := e.print(form, []lifecycle.Row{row}); err != nil {
		return err
	}
	return e.zones.VerifyHook(ctx, e.zone, zone.List)
}

func (e *env) print(form listForm, rows []lifecycle.Row) error {
	out := bufio.NewWriterSize(e.say.Out, 64<<10)
	switch form {
	case names:
		for i := range rows {
			fmt.Fprintln(out, rows[i].Name)
		}
	case parsable:
		for i := range rows {
			fmt.Fprintln(out, parsableRow(&rows[i]))
		}
	case table:
		if len(rows) > 0 {
			fmt.Fprintln(out, tableRow("ID", "NAME", "STATUS", "PATH", "BRAND", "IP"))
		}
		for i := range rows {
			r := &rows[i]
			fmt.Fprintln(out, tableRow(number(r), string(r.Name), r.State.String(), r.Path, r.Brand, stack(r)))
		}
	case asJSON:
		all := make([]jsonRow, 0, len(rows))
		for i := range rows {
			all = append(all, newJSONRow(&rows[i]))
		}
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(all); err != nil {
			return err
		}
	}
	return out.Flush()
}

// tableRow has fields of fixed widths: longer values push the rest to the
// right rather than being cut.
func tableRow(id, name, state, path, brand, ip string) string {
	return fmt.Sprintf("%4s %-16s %-10s %-30s %-8s %-6s", id, name, state, path, brand, ip)
}

// parsableRow has eight fields with colons between. Only a colon in the path is
// escaped.
func parsableRow(r *lifecycle.Row) string {
	return strings.Join([]string{
		number(r), string(r.Name), r.State.String(), strings.ReplaceAll(r.Path, ":", `\:`),
		r.UUID.String(), r.Brand, stack(r), strconv.Itoa(r.Debug),
	}, ":")
}

func number(r *lifecycle.Row) string {
	if !r.Active {
		return "-"
	}
	return strconv.FormatUint(r.ID, 10)
}

func stack(r *lifecycle.Row) string {
	if r.Exclusive {
		return "excl"
	}
	return "shared"
}

// jsonRow is one zone in the output of list -j. Fields may be added.
type jsonRow struct {
	ID      *uint64   `json:"id"` // null unless active
	Name    zone.Name `json:"name"`
	State   string    `json:"state"`
	Path    string    `json:"zonepath"`
	UUID    string    `json:"uuid"`
	Brand   string    `json:"brand"`
	IPType  string    `json:"ip-type"`
	DebugID int       `json:"debug-id"`
}

func newJSONRow(r *lifecycle.Row) jsonRow {
	row := jsonRow{Name: r.Name, State: r.State.String(), Path: r.Path, UUID: r.UUID.String(), Brand: r.Brand,
		IPType: "shared", DebugID: r.Debug}
	if r.Active {
		row.ID = &r.ID
	}
	if r.Exclusive {
		row.IPType = "exclusive"
	}
	return row
}

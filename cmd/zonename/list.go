// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"

	"zones/internal/zone"
)

// firstName reads /proc/delegns: a heading that names the columns, and then a
// namespace a line, the reader's own first.
func firstName(list string) (string, error) {
	heading, rest, _ := strings.Cut(list, "\n")
	own, _, _ := strings.Cut(rest, "\n")
	columns, values := strings.Fields(strings.ToLower(heading)), strings.Fields(own)
	id, name := slices.Index(columns, "id"), slices.Index(columns, "name")
	if id < 0 || name < 0 || id >= len(values) || name >= len(values) {
		return "", errHidden
	}
	if values[id] == "0" {
		return global, nil
	}
	parsed, err := zone.ParseName(values[name])
	return string(parsed), err
}

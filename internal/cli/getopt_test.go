// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"
	"testing"
)

func TestGetopt(t *testing.T) {
	for _, c := range []struct{ args, spec, want string }{
		{"", "z:", "|"},
		{"-z z1 list -c", "z:", "z=z1 |list -c"},
		{"-zz1 list", "z:", "z=z1 |list"},
		{"-cpv x", "cpv", "c p v |x"},
		{"-c -- -p", "cp", "c |-p"},
		{"- -c", "c", "|- -c"},
		{"-? x", "?", "? |x"},
		{"-qc", "c", "!illegal option -- q c |"},
		{"-z", "z:", "!option requires an argument -- z |"},
		{"-: x", "z:", "!illegal option -- : |x"},
		{"-cz -p", "cz:", "c z=-p |"},
	} {
		g := NewGetopt(strings.Fields(c.args), c.spec)
		var got strings.Builder
		for {
			letter, arg, err := g.Next()
			if letter == 0 {
				break
			}
			switch {
			case err != nil:
				fmt.Fprintf(&got, "!%v ", err)
			case arg != "":
				fmt.Fprintf(&got, "%c=%s ", letter, arg)
			default:
				fmt.Fprintf(&got, "%c ", letter)
			}
		}
		got.WriteString("|" + strings.Join(g.Operands(), " "))
		if got.String() != c.want {
			t.Errorf("%q by %q:\n got %q\nwant %q", c.args, c.spec, got.String(), c.want)
		}
	}
}

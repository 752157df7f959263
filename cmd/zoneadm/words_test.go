// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"testing"
)

func TestBrandWords(t *testing.T) {
	for _, c := range []struct{ in, want []string }{
		{[]string{""}, nil},
		{[]string{"-a x -x nodataset"}, []string{"-a", "x", "-x", "nodataset"}},
		{[]string{`-c "a b".xml`, ""}, []string{"-c", "a b.xml"}},
		{[]string{"-a", "a b", "c d"}, []string{"-a", "a b", "c d"}},
		{[]string{"-aa b"}, []string{"-aa b"}},
		{[]string{`-a "open`}, []string{`-a "open`}},
	} {
		if got := brandWords(c.in); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

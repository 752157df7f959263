// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"
)

// What others say reaches a terminal as letters.
func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"plain\n\tsecond line": "plain\n\tsecond line",
		"\x1b]0;title\a":       `\x1b]0;title\a`,
		"over\rwritten\x7f":    `over\rwritten\x7f`,
		"c1 \u009b2J":          `c1 \u009b2J`,
		"wäb \xff \x00":        "wäb \xff \\x00",
	} {
		var out, errs strings.Builder
		s := &Speaker{Program: "zoneadm", Out: &out, Err: &errs}
		s.Print(text)
		s.Bare(text)
		if out.String() != want+"\n" || errs.String() != want+"\n" {
			t.Errorf("%q: printed %q and %q, want %q", text, out.String(), errs.String(), want)
		}
	}
}

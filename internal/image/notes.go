// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"slices"
	"strings"
)

// notes gathers what was left out: each reason once, with how often it came
// and the first few names.
type notes struct {
	found []finding
}

type finding struct {
	reason string
	count  int
	names  []string
}

const namesShown = 3

func (n *notes) add(reason, name string) {
	for i := range n.found {
		if f := &n.found[i]; f.reason == reason {
			f.count++
			if len(f.names) < namesShown && !slices.Contains(f.names, name) {
				f.names = append(f.names, name)
			}
			return
		}
	}
	n.found = append(n.found, finding{reason, 1, []string{name}})
}

// lines quotes names: they come from the source, and go to a terminal.
func (n *notes) lines() []string {
	var lines []string
	for _, f := range n.found {
		quoted := make([]string, len(f.names))
		for i, name := range f.names {
			quoted[i] = fmt.Sprintf("%q", name)
		}
		more := ""
		if f.count > len(f.names) {
			more = fmt.Sprintf(" and %d more", f.count-len(f.names))
		}
		lines = append(lines, f.reason+": "+strings.Join(quoted, ", ")+more)
	}
	return lines
}

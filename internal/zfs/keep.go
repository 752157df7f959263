// SPDX-License-Identifier: Apache-2.0

package zfs

import (
	"os"
	"slices"
	"sync"
)

var kept struct {
	sync.Mutex
	files []*os.File
}

// Keep has calls that change something inherit an open file until release. A
// lock on it then lasts as long as they do: whoever is killed leaves them at
// work, and the next one is not to come upon what they are about to make.
func Keep(f *os.File) (release func()) {
	kept.Lock()
	defer kept.Unlock()
	kept.files = append(kept.files, f)
	return func() {
		kept.Lock()
		defer kept.Unlock()
		kept.files = slices.DeleteFunc(kept.files, func(other *os.File) bool { return other == f })
	}
}

// reading are the subcommands that change nothing.
var reading = []string{"list", "get"}

// inherited are the files for a call of a subcommand.
func inherited(verb string) []*os.File {
	if slices.Contains(reading, verb) {
		return nil
	}
	kept.Lock()
	defer kept.Unlock()
	return slices.Clone(kept.files)
}

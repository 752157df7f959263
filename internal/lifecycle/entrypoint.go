// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"slices"
	"strconv"
	"strings"
)

// keepEntrypoint writes down what an image says about running it, unless the
// image is a system: one with an init that names no program but a shell.
func (in *install) keepEntrypoint() error {
	e := in.entrypoint
	if e == nil {
		return nil
	}
	b, err := in.m.brandOf(in.z)
	if err != nil {
		return err
	}
	if hasFile(in.root(), b.Init) && (e.OnlyShell() || e.Argv[0] == b.Init) {
		return nil
	}
	if err := e.Save(in.path); err != nil {
		return subject(in.path, bareErr(err))
	}
	in.m.Talk.Print("The zone will run the program of the image: " + strings.Join(oneLine(e.Argv), " "))
	return nil
}

// oneLine quotes the words that would make more than one line.
func oneLine(words []string) []string {
	words = slices.Clone(words)
	for i, word := range words {
		if strings.ContainsAny(word, "\n\t") {
			words[i] = strconv.Quote(word)
		}
	}
	return words
}

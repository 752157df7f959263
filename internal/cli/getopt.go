// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"
)

// Getopt reads options as getopt(3) of POSIX does: single letters that bundle,
// arguments attached or in the next word, an end at "--" or at the first word
// that is no option. The commands use it rather than a flag library because
// scripts depend on exactly these rules.
type Getopt struct {
	args []string
	spec string
	rest string // letters of the current word still to be read
}

// NewGetopt reads args by spec: each letter is an option, and one followed by
// a colon takes an argument. "?" is a letter like any other.
func NewGetopt(args []string, spec string) *Getopt {
	return &Getopt{args: args, spec: spec}
}

// Next returns the next option and its argument. It returns letter 0 and no
// error at the end, and an *OptionError for an option that spec does not know
// or whose argument is missing; reading can go on after that.
func (g *Getopt) Next() (letter byte, arg string, err error) {
	if g.rest == "" {
		if len(g.args) == 0 || len(g.args[0]) < 2 || g.args[0][0] != '-' {
			return 0, "", nil
		}
		word := g.args[0]
		g.args = g.args[1:]
		if word == "--" {
			return 0, "", nil
		}
		g.rest = word[1:]
	}
	letter, g.rest = g.rest[0], g.rest[1:]
	at := strings.IndexByte(g.spec, letter)
	if letter == ':' || at < 0 {
		return letter, "", &OptionError{Letter: letter}
	}
	if at+1 == len(g.spec) || g.spec[at+1] != ':' {
		return letter, "", nil
	}
	if g.rest != "" {
		arg, g.rest = g.rest, ""
		return letter, arg, nil
	}
	if len(g.args) == 0 {
		return letter, "", &OptionError{Letter: letter, NoArgument: true}
	}
	arg, g.args = g.args[0], g.args[1:]
	return letter, arg, nil
}

// Operands returns the words not read yet.
func (g *Getopt) Operands() []string { return g.args }

// OptionError is an option that could not be read.
type OptionError struct {
	Letter     byte
	NoArgument bool // known, but its argument is missing
}

func (e *OptionError) Error() string {
	if e.NoArgument {
		return fmt.Sprintf("option requires an argument -- %c", e.Letter)
	}
	return fmt.Sprintf("illegal option -- %c", e.Letter)
}

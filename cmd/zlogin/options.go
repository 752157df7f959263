// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"zones/internal/cli"
)

const usage = "usage: zlogin [ -dnQCES ] [ -e cmdchar ] [-l user] zonename [command [args ...] ]"

// errUsage says that the usage line alone answers the mistake, but for what an
// option's own error adds.
var errUsage = errors.New("usage")

type mode int

const (
	command     mode = iota // a command, or what standard input says, over pipes
	interactive             // a terminal of the zone's own
	console                 // the zone's console
)

type options struct {
	mode       mode
	zone       string
	words      []string // the command; none for the login shell
	user       string   // "" for root
	safe       bool     // -S
	quiet      bool     // -Q
	noStdin    bool     // -n
	disconnect bool     // -d
	force      bool     // -i
	noEscape   bool     // -E
	escape     byte
}

func parse(args []string) (*options, error) {
	o := &options{escape: '~'}
	g := cli.NewGetopt(args, "dnQCESie:l:?")
	for {
		letter, arg, err := g.Next()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUsage, err)
		}
		switch letter {
		case 0:
			return o.operands(g.Operands())
		case 'd':
			o.disconnect = true
		case 'n':
			o.noStdin = true
		case 'Q':
			o.quiet = true
		case 'C':
			o.mode = console
		case 'E':
			o.noEscape = true
		case 'S':
			o.safe = true
		case 'i':
			o.force = true
		case 'e':
			if o.escape, err = escapeChar(arg); err != nil {
				return nil, err
			}
		case 'l':
			o.user = arg
		default:
			return nil, errUsage
		}
	}
}

// operands also checks the options that exclude each other, in the order in
// which illumos does.
func (o *options) operands(words []string) (*options, error) {
	if len(words) > 0 {
		o.zone, o.words = words[0], words[1:]
	}
	isConsole := o.mode == console
	for _, c := range []struct {
		wrong bool
		text  string // empty: the usage says enough
	}{
		{isConsole && o.user != "", "-l may not be specified for console login"},
		{isConsole && o.noStdin, "-n may not be specified for console login"},
		{isConsole && o.safe, "-S may not be specified for console login"},
		{isConsole && o.force, "-i may not be specified for console login"},
		{o.safe && o.user != "", "-l may not be specified for failsafe login"},
		{!isConsole && o.disconnect, "-d may only be specified with console login"},
		{o.force && o.noStdin, "-n may not be specified for interactive login"},
		{o.zone == "", ""},
		{isConsole && len(o.words) > 0, "Commands may not be specified for console login."},
		{len(o.words) == 0 && o.noStdin, "-n may not be specified for interactive login"},
	} {
		switch {
		case c.wrong && c.text == "":
			return nil, errUsage
		case c.wrong:
			return nil, errors.New(c.text)
		}
	}
	return o, nil
}

// settle decides between a terminal and pipes.
func (o *options) settle(terminal bool) error {
	if o.mode == console {
		return nil
	}
	if o.force && !terminal {
		return errors.New("-i requires a terminal on standard input")
	}
	if terminal && (len(o.words) == 0 || o.force) {
		o.mode = interactive
	}
	return nil
}

// escapeChar reads the argument of -e: a character, \OOO in octal, or a
// backslash by itself or doubled.
func escapeChar(s string) (byte, error) {
	switch {
	case len(s) == 1:
		return s[0], nil
	case s == `\\`:
		return '\\', nil
	case len(s) == 4 && s[0] == '\\':
		if n, err := strconv.ParseUint(s[1:], 8, 8); err == nil {
			return byte(n), nil
		}
	}
	return 0, fmt.Errorf("invalid escape character '%s'", s)
}

// line is the command as a shell inside the zone reads it. The blank at its
// end is there in illumos too.
func (o *options) line() string { return strings.Join(o.words, " ") + " " }

// SPDX-License-Identifier: Apache-2.0

// Package cli is the only voice of the commands: how their options are read,
// what prefix a message carries, which words a system error gets and what the
// exit statuses are called. It knows no zone and decides nothing.
//
// Messages go to standard error, what was asked for goes to standard output,
// and each line goes out in one write. Scripts match these forms, so their
// prefixes are fixed here and nowhere else.
package cli

import (
	"errors"
	"io"
	"path"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// Exit statuses shared by the commands.
const (
	ExitOK    = 0 // done, or nothing was to be done
	ExitError = 1 // the operation failed
	ExitUsage = 2 // the command line makes no sense
)

// Speaker writes the messages of one run of a command about at most one zone.
type Speaker struct {
	Program string // what messages begin with; see ProgramName
	Zone    string // the selected zone; empty for none
	Out     io.Writer
	Err     io.Writer
}

// ProgramName makes the name that messages begin with from argv[0].
func ProgramName(argv0 string) string {
	if argv0 == "" {
		return "zoneadm"
	}
	return path.Base(argv0)
}

// About says something about the selected zone: "zoneadm: zone 'NAME': text",
// or "zoneadm: text" when none is selected.
func (s *Speaker) About(text string) {
	if s.Zone == "" {
		s.line(s.Program, text)
		return
	}
	s.line(s.Program, "zone '"+s.Zone+"'", text)
}

// Subject says what went wrong with a thing: "zoneadm: X: reason".
func (s *Speaker) Subject(x string, reason error) { s.line(s.Program, x, Reason(reason)) }

// Named says what went wrong with the selected zone, which stands without
// quotes: "zoneadm: NAME: text: reason".
func (s *Speaker) Named(text string, reason error) {
	s.line(s.Program, s.Zone, text, Reason(reason))
}

// Relay passes on what the zone's supervisor says: "zone 'NAME': text".
func (s *Speaker) Relay(text string) { s.line("zone '"+s.Zone+"'", text) }

// Plain says something that names its zone itself: "zoneadm: text".
func (s *Speaker) Plain(text string) { s.line(s.Program, text) }

// Bare says something without a prefix.
func (s *Speaker) Bare(text string) { s.line(text) }

// Print writes a line to standard output.
func (s *Speaker) Print(text string) { _, _ = io.WriteString(s.Out, visible(text)+"\n") }

func (s *Speaker) line(parts ...string) {
	_, _ = io.WriteString(s.Err, visible(strings.Join(parts, ": "))+"\n")
}

// visible spells out what a terminal would carry out rather than show: words of
// zones, images and registries stand in messages too.
func visible(text string) string {
	acts := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
	if strings.IndexFunc(text, acts) < 0 {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if acts(r) {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteString(text[:size])
		}
		text = text[size:]
	}
	return b.String()
}

// Reason words an error as the C library does where it is a system error
// ("No such file or directory"), and as it stands otherwise.
func Reason(err error) string {
	if err == nil {
		return "Error 0"
	}
	var number syscall.Errno
	if errors.As(err, &number) {
		text := number.Error()
		return strings.ToUpper(text[:1]) + text[1:]
	}
	return err.Error()
}

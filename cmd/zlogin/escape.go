// SPDX-License-Identifier: Apache-2.0

package main

import "golang.org/x/sys/unix"

// An escaper watches what is typed for the escape character at the beginning
// of a line, followed by a full stop or the end-of-file character. The zero
// value passes everything on.
type escaper struct {
	char    byte
	enabled bool
	eof     byte
	starts  []byte // characters after which a line begins
	begun   bool   // the line has begun: an escape character means itself
	pending bool   // the escape character was seen

	terminal bool // whether what is watched is a terminal
}

// newEscaper takes the characters that begin a line from a terminal's
// settings; nil for what is no terminal.
func newEscaper(o *options, term *unix.Termios) *escaper {
	e := &escaper{char: o.escape, enabled: !o.noEscape, eof: 4, starts: []byte{'\r', '\n'}}
	if term != nil {
		e.terminal = true
		e.eof = term.Cc[unix.VEOF]
		for _, i := range []int{unix.VKILL, unix.VEOL, unix.VSUSP, unix.VINTR} {
			if c := term.Cc[i]; c != 0 {
				e.starts = append(e.starts, c)
			}
		}
	}
	return e
}

// filter returns what of typed is for the zone. When closed is true the user
// wants to leave, by the character last.
func (e *escaper) filter(typed []byte) (pass []byte, closed bool, last byte) {
	if !e.enabled {
		return typed, false, 0
	}
	pass = make([]byte, 0, len(typed))
	for _, c := range typed {
		switch {
		case e.pending:
			e.pending = false
			if c == '.' || c == e.eof {
				return pass, true, c
			}
		case !e.begun && c == e.char:
			e.pending = true
			continue
		}
		pass = append(pass, c)
		e.begun = true
		for _, start := range e.starts {
			if c == start {
				e.begun = false
			}
		}
	}
	return pass, false, 0
}

// farewell is what is shown when the user leaves by an escape.
func (e *escaper) farewell(last byte) string {
	if last < ' ' {
		return string([]byte{e.char, '^', last + '@'})
	}
	return string([]byte{e.char, last})
}

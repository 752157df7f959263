// SPDX-License-Identifier: Apache-2.0

// Package syntax is the language of zonecfg: how a script is cut into tokens
// and commands, and how commands are printed so that they read back as they
// were. Which words are resources and properties is told to it; it knows none.
package syntax

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Words tells the lexer which words are keywords.
type Words struct {
	Resource func(string) bool
	Property func(string) bool
}

type kind int

const (
	plain    kind = iota // a token, quoted or not
	resource             // exactly a resource keyword
	property             // exactly a property keyword
	mark                 // one of = [ ] ( ) ,
	end                  // newline or ;
	eof                  // no more input, in the middle of a command
)

type token struct {
	kind   kind
	text   string // without quotes
	raw    string // as it stood
	quoted bool
}

func (t token) is(m string) bool { return t.kind == mark && t.text == m }

// value reports whether the token can be a value: keywords can.
func (t token) value() bool { return t.kind == plain || t.kind == resource || t.kind == property }

// Where the lexer is decides which characters separate tokens.
const (
	atTop      = " \t\n\";=[]()"
	inList     = atTop + ","
	inBrackets = " \t\n\";=()," // of a composite value; [ and ] are ordinary there
)

type lexer struct {
	in    io.ByteReader
	words Words
	lines int // newlines consumed
	back  int // a byte put back, or -1
	list  bool
	round bool
	fault error // of the reader, io.EOF included; until the next command is asked for
}

func (l *lexer) next() (byte, bool) {
	if l.back >= 0 {
		c := byte(l.back)
		l.back = -1
		return l.count(c), true
	}
	if l.fault != nil {
		return 0, false
	}
	c, err := l.in.ReadByte()
	if err != nil {
		l.fault = err
		return 0, false
	}
	return l.count(c), true
}

func (l *lexer) count(c byte) byte {
	if c == '\n' {
		l.lines++
	}
	return c
}

// unread puts the byte back, uncounted.
func (l *lexer) unread(c byte) {
	if l.back = int(c); c == '\n' {
		l.lines--
	}
}

// start skips what may stand before a command: blanks, empty commands and
// comments.
func (l *lexer) start() (byte, bool) {
	l.list, l.round = false, false
	for {
		c, ok := l.next()
		if !ok {
			return 0, false
		}
		switch c {
		case ' ', '\t', '\n', ';':
		case '#':
			for ok && c != '\n' {
				c, ok = l.next()
			}
			if !ok {
				return 0, false
			}
		default:
			return c, true
		}
	}
}

// verb reads the first word of a command, whose first byte is c. It returns
// the longest verb that the input begins with; what follows stays unread. When
// there is none it returns the character at which the input went wrong.
func (l *lexer) verb(c byte) (name, bad string) {
	if c == '?' {
		return "help", ""
	}
	read := ""
	for {
		read += string([]byte{c})
		found := false
		for _, v := range Verbs {
			if v == read {
				return v, ""
			}
			found = found || strings.HasPrefix(v, read)
		}
		if !found {
			if len(read) == 1 {
				return "", l.character(c)
			}
			return "", read[:1]
		}
		var ok bool
		if c, ok = l.next(); !ok {
			return "", read[:1]
		}
		if c == '\n' || c == ';' {
			l.unread(c)
			return "", read[:1]
		}
	}
}

// character completes a character of several bytes, for the message.
func (l *lexer) character(c byte) string {
	raw := []byte{c}
	for !utf8.FullRune(raw) && len(raw) < utf8.UTFMax {
		c, ok := l.next()
		if !ok {
			break
		}
		if c == '\n' || c == ';' {
			l.unread(c)
			break
		}
		raw = append(raw, c)
	}
	return string(raw)
}

// token reads one token inside a command.
func (l *lexer) token() token {
	c, ok := l.next()
	for ok && (c == ' ' || c == '\t') {
		c, ok = l.next()
	}
	if !ok {
		return token{kind: eof}
	}
	switch stops := l.stops(); {
	case c == '\n' || c == ';':
		l.list, l.round = false, false
		return token{kind: end, text: string(c), raw: string(c)}
	case c == '"':
		return l.quoted()
	case strings.IndexByte(stops, c) >= 0:
		return l.mark(c)
	default:
		return l.bare(c, stops)
	}
}

func (l *lexer) stops() string {
	switch {
	case l.round:
		return inBrackets
	case l.list:
		return inList
	}
	return atTop
}

func (l *lexer) mark(c byte) token {
	switch c {
	case '[':
		l.list = true
	case ']':
		l.list = false
	case '(':
		l.round = true
	case ')':
		l.round = false
	}
	return token{kind: mark, text: string(c), raw: string(c)}
}

// quoted reads up to the closing quote. Without one the token ends at the
// newline, which becomes part of it and does not end the command.
func (l *lexer) quoted() token {
	var b strings.Builder
	for {
		c, ok := l.next()
		if !ok {
			return token{kind: eof}
		}
		if c == '"' {
			return token{kind: plain, text: b.String(), raw: `"` + b.String() + `"`, quoted: true}
		}
		b.WriteByte(c)
		if c == '\n' {
			return token{kind: plain, text: b.String(), raw: `"` + b.String(), quoted: true}
		}
	}
}

func (l *lexer) bare(c byte, stops string) token {
	var b strings.Builder
	for ok := true; ok; c, ok = l.next() {
		if strings.IndexByte(stops, c) >= 0 {
			l.unread(c)
			break
		}
		b.WriteByte(c)
	}
	t := token{kind: plain, text: b.String(), raw: b.String()}
	switch {
	case l.words.Resource(t.text):
		t.kind = resource
	case l.words.Property(t.text):
		t.kind = property
	}
	return t
}

// skip discards the rest of a command.
func (l *lexer) skip() {
	for {
		if t := l.token(); t.kind == end || t.kind == eof {
			return
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package syntax

import (
	"fmt"
	"io"
	"strings"
)

// Verbs are the words a command can begin with; "?" is help as well.
var Verbs = []string{
	"add", "cancel", "clear", "commit", "create", "delete", "end", "exit", "export", "help", "info",
	"remove", "revert", "select", "set", "verify",
}

// maxQualifiers is how many qualifiers a command takes.
const maxQualifiers = 3

// Form is what a value looks like.
type Form int

// The forms.
const (
	Simple    Form = iota
	Composite      // (name=token,...)
	List           // [value,...]
)

// A Value is a value as it was written.
type Value struct {
	Form   Form
	Text   string  // of a simple value
	Fields []Field // of a composite one
	List   []Value // of a list; its elements are not lists
}

// A Field is one part of a composite value.
type Field struct {
	Name, Text string
}

// A Qualifier is PROP=VALUE behind a resource.
type Qualifier struct {
	Property string
	Value    Value
}

// A Command is one command as it was written. Which fields are set depends on
// the verb; its arguments make sense grammatically, no more.
type Command struct {
	Verb     string
	Args     []string // plain words
	Resource string   // the resource keyword
	Property string   // the property keyword
	Value    *Value   // nil when none was given
	Quals    []Qualifier
}

// Error is a command that is none.
type Error struct {
	Token string // as it stood in the input
	Line  int    // where it stood, from 1; a newline counts as part of the next line
}

func (e *Error) Error() string { return fmt.Sprintf("syntax error at '%s'", e.Shown()) }

// Shown is the offending token, fit for a terminal: a newline is \n, other
// control characters are written as Go writes them.
func (e *Error) Shown() string {
	var b strings.Builder
	for _, r := range e.Token {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r < ' ' || r == 0x7f || r == 0xfffd:
			q := fmt.Sprintf("%q", r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// A Parser reads commands one by one, and no further than it must: a command
// can be carried out before the next is typed.
type Parser struct {
	lex lexer
	tok token
}

// NewParser reads commands from in.
func NewParser(in io.ByteReader, words Words) *Parser {
	return &Parser{lex: lexer{in: in, words: words, back: -1}}
}

// Lines is the number of newlines read so far.
func (p *Parser) Lines() int { return p.lex.lines }

// Next returns the next command, an *Error for one that is none (reading goes
// on behind it), or io.EOF. A last command without its newline or semicolon is
// not returned, nor reported as an error.
func (p *Parser) Next() (*Command, error) {
	if p.lex.fault != nil { // what was read of a command then is gone
		p.lex.fault, p.lex.back = nil, -1
	}
	c, ok := p.lex.start()
	if !ok {
		return nil, p.ended()
	}
	verb, bad := p.lex.verb(c)
	if bad != "" {
		line := p.lex.lines + 1
		p.lex.skip()
		return nil, &Error{bad, line}
	}
	cmd := &Command{Verb: verb}
	p.advance()
	err := grammar[verb](p, cmd)
	if err == nil && p.tok.kind != end {
		err = p.unexpected()
	}
	if err == errEOF {
		return nil, p.ended()
	}
	if err != nil {
		if p.tok.kind != end {
			p.lex.skip()
		}
		return nil, err
	}
	return cmd, nil
}

func (p *Parser) ended() error {
	if p.lex.fault == nil {
		return io.EOF
	}
	return p.lex.fault
}

// errEOF is input that ended inside a command.
var errEOF = io.ErrUnexpectedEOF

func (p *Parser) advance() { p.tok = p.lex.token() }

func (p *Parser) unexpected() error {
	if p.tok.kind == eof {
		return errEOF
	}
	return &Error{p.tok.raw, p.lex.lines + 1}
}

// grammar says what may follow each verb. The functions leave the parser at
// the first token they do not take.
var grammar = map[string]func(*Parser, *Command) error{
	"add":    (*Parser).add,
	"cancel": words(1), "commit": words(1), "end": words(1), "exit": words(1),
	"revert": words(1), "delete": words(1), "verify": words(1),
	"create": words(3), "export": words(2), "help": words(1),
	"info":   (*Parser).info,
	"remove": (*Parser).remove,
	"select": (*Parser).selects,
	"set":    (*Parser).set,
	"clear":  (*Parser).clear,
}

// words takes up to n plain words.
func words(n int) func(*Parser, *Command) error {
	return func(p *Parser, c *Command) error {
		for len(c.Args) < n && p.tok.kind == plain {
			c.Args = append(c.Args, p.tok.text)
			p.advance()
		}
		return nil
	}
}

// add: nothing, T, RES, or PROP V.
func (p *Parser) add(c *Command) error {
	switch p.tok.kind {
	case plain:
		return words(1)(p, c)
	case resource:
		c.Resource = p.tok.text
		p.advance()
	case property:
		return p.propertyValue(c)
	}
	return nil
}

// propertyValue: PROP V.
func (p *Parser) propertyValue(c *Command) (err error) {
	c.Property = p.tok.text
	p.advance()
	c.Value, err = p.value(false)
	return err
}

// info: nothing, T, PROP, or RES with qualifiers.
func (p *Parser) info(c *Command) error {
	switch p.tok.kind {
	case plain:
		return words(1)(p, c)
	case property:
		c.Property = p.tok.text
		p.advance()
		return nil
	case resource:
		return p.qualified(c)
	}
	return nil
}

// remove: nothing, T, T RES, PROP V, or RES with qualifiers.
func (p *Parser) remove(c *Command) error {
	switch p.tok.kind {
	case plain:
		_ = words(1)(p, c)
		if p.tok.kind == resource {
			c.Resource = p.tok.text
			p.advance()
		}
		return nil
	case property:
		return p.propertyValue(c)
	case resource:
		return p.qualified(c)
	}
	return nil
}

// selects: nothing, or RES with qualifiers.
func (p *Parser) selects(c *Command) error {
	if p.tok.kind == resource {
		return p.qualified(c)
	}
	return nil
}

// qualified: RES and up to three PROP=V.
func (p *Parser) qualified(c *Command) error {
	c.Resource = p.tok.text
	p.advance()
	for len(c.Quals) < maxQualifiers && p.tok.kind == property {
		q := Qualifier{Property: p.tok.text}
		if p.advance(); !p.tok.is("=") {
			return p.unexpected()
		}
		p.advance()
		v, err := p.value(false)
		if err != nil {
			return err
		}
		q.Value = *v
		c.Quals = append(c.Quals, q)
	}
	return nil
}

// set: nothing, [T] PROP=V, or PROP=[].
func (p *Parser) set(c *Command) (err error) {
	if p.tok.kind == plain {
		_ = words(1)(p, c)
	}
	if p.tok.kind != property {
		if len(c.Args) > 0 {
			return p.unexpected()
		}
		return nil
	}
	c.Property = p.tok.text
	if p.advance(); !p.tok.is("=") {
		return p.unexpected()
	}
	p.advance()
	c.Value, err = p.value(true)
	return err
}

// clear: nothing or PROP.
func (p *Parser) clear(c *Command) error {
	if p.tok.kind == property {
		c.Property = p.tok.text
		p.advance()
	}
	return nil
}

// value: one token, a composite value or a list; the empty list only where
// empty says so.
func (p *Parser) value(empty bool) (*Value, error) {
	if !p.tok.is("[") {
		return p.element()
	}
	v := &Value{Form: List}
	if p.advance(); empty && p.tok.is("]") {
		p.advance()
		return v, nil
	}
	for {
		e, err := p.element()
		if err != nil {
			return nil, err
		}
		v.List = append(v.List, *e)
		switch {
		case p.tok.is("]"):
			p.advance()
			return v, nil
		case !p.tok.is(","):
			return nil, p.unexpected()
		}
		p.advance()
	}
}

// element: one token or a composite value.
func (p *Parser) element() (*Value, error) {
	if p.tok.value() {
		v := &Value{Text: p.tok.text}
		p.advance()
		return v, nil
	}
	if !p.tok.is("(") {
		return nil, p.unexpected()
	}
	v := &Value{Form: Composite}
	for {
		p.advance()
		if p.tok.kind != property {
			return nil, p.unexpected()
		}
		f := Field{Name: p.tok.text}
		if p.advance(); !p.tok.is("=") {
			return nil, p.unexpected()
		}
		if p.advance(); !p.tok.value() {
			return nil, p.unexpected()
		}
		f.Text = p.tok.text
		v.Fields = append(v.Fields, f)
		switch p.advance(); {
		case p.tok.is(")"):
			p.advance()
			return v, nil
		case !p.tok.is(","):
			return nil, p.unexpected()
		}
	}
}

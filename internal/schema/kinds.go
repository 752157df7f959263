// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// Rand is the source of random configurations.
type Rand = rand.Rand

// What can be wrong with a value, for kinds with a fixed message. A property's
// own complaint may say it in other words.
var (
	ErrInvalid = errors.New("Specified property is invalid")
	ErrTooLong = errors.New("Argument list too long")
	ErrRange   = errors.New("value is out of range")
	ErrNumber  = errors.New("not a number")
)

// A Kind is a type of value: how it is called in usage, which texts are
// allowed, how a text is read, and how a random one is made.
type Kind[T any] struct {
	Meta    string
	Allowed string
	Max     int
	Values  []string
	Source  Source

	parse  func(string) (T, error)
	normal func(string) string
	show   func(string) string
	sample func(*Rand) string
}

type option func(*Property)

func property[T any](name string, k Kind[T], help string, opts []option) Prop[T] {
	p := &Property{
		Name: name, Help: help, Meta: k.Meta, Allowed: k.Allowed, Max: k.Max, Attr: name,
		Values: k.Values, Source: k.Source, normal: k.normal, show: k.show, sample: k.sample,
	}
	if k.parse != nil {
		p.check = func(s string) error { _, err := k.parse(s); return err }
	}
	for _, o := range opts {
		o(p)
	}
	return Prop[T]{Property: p, parse: func(i Item) (T, error) { return k.parse(strings.Join(i, "")) }}
}

// required declares a property that a resource cannot do without.
func required[T any](name string, k Kind[T], help string, opts ...option) Prop[T] {
	p := property(name, k, help, opts)
	p.Required = true
	return p
}

// optional declares a property that may stay unset.
func optional[T any](name string, k Kind[T], help string, opts ...option) Prop[T] {
	return property(name, k, help, opts)
}

// list declares a property with any number of values of a kind, each of which
// the XML file holds in attribute attr of a child element.
func list[T any](name string, k Kind[T], element, attr, help string, opts ...option) Prop[[]T] {
	p := property(name, k, help, opts)
	p.Shape, p.Element, p.Attr, p.Fields = List, element, "", []Field{{Name: attr}}
	return Prop[[]T]{Property: p.Property, many: each(p.parse)}
}

func each[T any](parse func(Item) (T, error)) func(Value) ([]T, error) {
	return func(v Value) ([]T, error) {
		all := make([]T, 0, len(v))
		for _, item := range v {
			t, err := parse(item)
			if err != nil {
				return nil, err
			}
			all = append(all, t)
		}
		return all, nil
	}
}

// composites declares a property with any number of composite values.
func composites[T any](name, element, help string, fields []Field, parse func(Item) (T, error),
	sample func(*Rand) string, opts ...option) Prop[[]T] {
	p := &Property{Name: name, Help: help, Shape: Composites, Element: element, Fields: fields, sample: sample}
	for _, o := range opts {
		o(p)
	}
	return Prop[[]T]{Property: p, many: each(parse)}
}

func at(s Stage) option            { return func(p *Property) { p.Stage = s } }
func limit(n int) option           { return func(p *Property) { p.Max = n } }
func attr(name string) option      { return func(p *Property) { p.Attr = name } }
func byDefault(text string) option { return func(p *Property) { p.Default = text } }
func from(s Source) option         { return func(p *Property) { p.Source = s } }
func aliasOf(rctl, act string) option {
	return func(p *Property) { p.Alias, p.Attr = &Alias{rctl, act}, "" }
}

func canClear(p *Property) { p.CanClear = true }
func quiet(p *Property)    { p.Quiet = true }
func bare(p *Property)     { p.Bare = true }
func need(p *Property)     { p.Required = true }
func ignored(p *Property)  { p.Match = Ignored }
func selects(p *Property)  { p.Match = Selects }
func matches(p *Property)  { p.Match = Matches }

func element(name string, attrs ...string) option {
	return func(p *Property) { p.Element, p.Attrs, p.Attr = name, attrs, "" }
}

func says(f func(zone, prop, text string, err error) string) option {
	return func(p *Property) { p.says = f }
}

// saysOf is for complaints that need no more than the text.
func saysOf(format string) option {
	return says(func(_, _, text string, _ error) string { return strings.ReplaceAll(format, "%s", text) })
}

func outOfRange(p *Property) {
	p.says = func(_, prop, _ string, _ error) string { return prop + " property is out of range." }
}

// text is any text.
var text = Kind[string]{
	Meta: "TEXT", parse: func(s string) (string, error) { return s, nil },
	sample: func(r *Rand) string { return sampleText(r) },
}

// boolean is true or false and nothing else.
var boolean = Kind[bool]{
	Meta: "BOOLEAN", Allowed: "true or false", Values: []string{"true", "false"},
	parse: func(s string) (bool, error) {
		if s != "true" && s != "false" {
			return false, ErrInvalid
		}
		return s == "true", nil
	},
	sample: pick("true", "false"),
}

// enum is one of a few words.
func enum(meta string, values ...string) Kind[string] {
	return Kind[string]{
		Meta: meta, Allowed: "one of " + strings.Join(values, ", "), Values: values,
		parse: func(s string) (string, error) {
			if !slices.Contains(values, s) {
				return "", ErrInvalid
			}
			return s, nil
		},
		sample: pick(values...),
	}
}

// count is a decimal number from low to high.
func count(low, high uint64) Kind[uint64] {
	allowed := fmt.Sprintf("a number from %d", low)
	if high != 1<<64-1 {
		allowed = fmt.Sprintf("a number from %d to %d", low, high)
	}
	return Kind[uint64]{
		Meta: "NUMBER", Allowed: allowed,
		parse: func(s string) (uint64, error) {
			n, err := strconv.ParseUint(s, 10, 64)
			if err != nil {
				return 0, ErrNumber
			}
			if n < low || n > high {
				return 0, ErrRange
			}
			return n, nil
		},
		normal: func(s string) string {
			n, _ := strconv.ParseUint(s, 10, 64)
			return strconv.FormatUint(n, 10)
		},
		sample: func(r *Rand) string { return strconv.FormatUint(low+r.Uint64N(min(high-low, 100000)), 10) },
	}
}

// absPath is a path from the root that does not lead upwards.
var absPath = Kind[string]{
	Meta: "PATH", Allowed: "an absolute path", Max: 1023, Source: Paths,
	parse: func(s string) (string, error) {
		if !strings.HasPrefix(s, "/") || strings.ContainsRune(s, 0) {
			return "", ErrInvalid
		}
		if leadsUp(s) {
			return "", ErrRange
		}
		return s, nil
	},
	sample: func(r *Rand) string { return "/" + sampleWord(r) + "/" + sampleWord(r) },
}

// zonePath is an absolute path other than the root; slashes that say nothing
// are dropped.
var zonePath = Kind[string]{
	Meta: "PATH", Allowed: "an absolute path other than /", Max: 1023, Source: Paths,
	parse: func(s string) (string, error) {
		if !strings.HasPrefix(s, "/") {
			return "", ErrInvalid
		}
		if s = CleanSlashes(s); s == "/" || leadsUp(s) {
			return "", ErrRange
		}
		return s, nil
	},
	normal: CleanSlashes,
	sample: func(r *Rand) string { return "/zones/" + sampleWord(r) },
}

func leadsUp(path string) bool { return slices.Contains(strings.Split(path, "/"), "..") }

func saysPath(p *Property) {
	p.says = func(_, prop, text string, err error) string {
		if errors.Is(err, ErrRange) {
			return prop + " " + text + " must not contain '..'."
		}
		return prop + " " + text + " is not an absolute path."
	}
}

// CleanSlashes collapses repeated slashes and drops a trailing one. Unlike
// path.Clean it leaves "." and ".." alone: what they mean is for the file
// system to say.
func CleanSlashes(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] != '/' || i == 0 || s[i-1] != '/' {
			b.WriteByte(s[i])
		}
	}
	if out := b.String(); len(out) > 1 {
		return strings.TrimSuffix(out, "/")
	}
	return b.String()
}

func pick(values ...string) func(*Rand) string {
	return func(r *Rand) string { return values[r.IntN(len(values))] }
}

func sampleWord(r *Rand) string {
	const first, rest = "abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz0123456789-"
	b := []byte{first[r.IntN(len(first))]}
	for range r.IntN(12) {
		b = append(b, rest[r.IntN(len(rest))])
	}
	return string(b)
}

// sampleText likes the characters that have a meaning in the language and in
// XML, and keywords.
func sampleText(r *Rand) string {
	pieces := []string{"a", "zone", "name", " ", "\t", "=", ",", ";", "#", "[", "]", "(", ")", "/", "<", "&", ">", "'", "-",
		"%", "\\", "end", "]]>", "--", "ä"}
	var b strings.Builder
	for range r.IntN(8) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

// Sample makes a random item that Check accepts, for property tests.
func (p *Property) Sample(r *Rand) Item {
	s := p.sample(r)
	for p.Max > 0 && len(s) > p.Max {
		s = p.sample(r)
	}
	if p.Shape == Composites {
		return strings.Split(s, "\x00")
	}
	return Item{p.Normal(s)}
}

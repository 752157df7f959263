// SPDX-License-Identifier: Apache-2.0

package syntax

import "strings"

// String prints a value so that it reads back the same. It is empty when that
// cannot be done.
func (v Value) String() string {
	switch v.Form {
	case Composite:
		return v.composite()
	case List:
		parts := make([]string, len(v.List))
		for i, e := range v.List {
			s, ok := e.String(), true
			if e.Form == Simple {
				s, ok = InList(e.Text)
			}
			if !ok || s == "" {
				return ""
			}
			parts[i] = s
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	s, _ := Quote(v.Text)
	return s
}

func (v Value) composite() string {
	parts := make([]string, len(v.Fields))
	for i, f := range v.Fields {
		s, ok := InList(f.Text)
		if !ok {
			return ""
		}
		parts[i] = f.Name + "=" + s
	}
	return "(" + strings.Join(parts, ",") + ")"
}

// String prints a command so that it reads back the same. It is empty when
// that cannot be done.
func (c Command) String() string {
	parts := []string{c.Verb}
	for _, a := range c.Args {
		s, ok := Quoted(a)
		if !ok {
			return ""
		}
		parts = append(parts, s)
	}
	if c.Resource != "" {
		parts = append(parts, c.Resource)
	}
	if c.Property != "" {
		parts = append(parts, c.Property)
	}
	line := strings.Join(parts, " ")
	if c.Value != nil {
		s := c.Value.String()
		if s == "" {
			return ""
		}
		if c.Verb == "set" {
			line += "=" + s
		} else {
			line += " " + s
		}
	}
	for _, q := range c.Quals {
		s := q.Value.String()
		if s == "" {
			return ""
		}
		line += " " + q.Property + "=" + s
	}
	return line
}

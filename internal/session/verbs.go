// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"io"
	"strings"

	"zones/internal/cli"
	"zones/internal/schema"
	"zones/internal/syntax"
)

// A verb is one subcommand.
type verb struct {
	name  string
	usage string // one line for each form
	help  string // a paragraph
	// writes says that it changes something, so that read-only sessions and
	// templates refuse it.
	writes bool
	run    func(*Session, *syntax.Command, *verb)
}

// verbs is filled by init because the functions look verbs up themselves.
var verbs []verb

func init() { verbs = table() }

func find(name string) *verb {
	for i := range verbs {
		if verbs[i].name == name {
			return &verbs[i]
		}
	}
	return nil
}

// run carries out one command.
func (s *Session) run(c *syntax.Command) {
	v := find(c.Verb)
	v.run(s, c, v)
}

// commandList is what follows a syntax error.
func commandList() string {
	var b strings.Builder
	b.WriteString("Commands:\n\n")
	for _, v := range verbs {
		b.WriteString(v.usage + "\n")
	}
	return b.String()
}

// Usage is what follows an invalid command line of the program: how to call it
// and the subcommands.
func Usage(program string) string {
	return fmt.Sprintf(`usage:	%[1]s help
	%[1]s -z <zone>
	%[1]s -z <zone> <command>
	%[1]s -z <zone> -f <command-file>
`, program) + "\n" + commandList()
}

// usageError says that the arguments of a subcommand make no sense.
func (s *Session) usageError(v *verb) {
	switch line := s.parser.Lines(); {
	case s.env.Mode == File || s.env.Numbered:
		fmt.Fprintf(s.env.Err, "syntax error on line %d of %s\n", line, s.env.File)
	case s.env.Mode == Dash:
		fmt.Fprintf(s.env.Err, "syntax error on line %d\n", line)
	}
	fmt.Fprintf(s.env.Err, "usage:\n%s\n", v.usage)
	s.failed = true
}

// longUsage says that a subcommand does not make sense here.
func (s *Session) longUsage(v *verb) {
	_, _ = io.WriteString(s.env.Err, v.long())
	s.failed = true
}

func (v *verb) long() string {
	return "usage:\n" + v.usage + "\n\t" + strings.ReplaceAll(v.help, "\n", "\n\t") + "\n"
}

func (s *Session) tell(text string) { _, _ = io.WriteString(s.env.Err, text) }

// noProperty says that a property does not belong here.
func (s *Session) noProperty(v *verb, property string) {
	s.fail("%s: No such property type", property)
	s.longUsage(v)
	s.tell(propertyTable())
}

// options reads the options of a subcommand. Those in spec are handed to take;
// an unknown one shows the help of the subcommand if lenient, and is a usage
// error otherwise. It returns the operands, or false when the subcommand is
// done with.
func (s *Session) options(c *syntax.Command, v *verb, spec string, lenient bool, take func(letter byte, arg string)) ([]string, bool) {
	g := cli.NewGetopt(c.Args, spec+"?")
	for {
		letter, arg, err := g.Next()
		switch {
		case err != nil:
			s.tell(s.env.Program + ": " + err.Error() + "\n")
			if lenient {
				s.show(v.long())
			} else {
				s.usageError(v)
			}
			return nil, false
		case letter == 0:
			return g.Operands(), true
		case letter == '?':
			s.show(v.long())
			return nil, false
		default:
			take(letter, arg)
		}
	}
}

// bare reads a subcommand that takes no operands and at most the option -F.
func (s *Session) bare(c *syntax.Command, v *verb, spec string) (forced, ok bool) {
	rest, ok := s.options(c, v, spec, true, func(byte, string) { forced = true })
	if ok && len(rest) > 0 {
		s.usageError(v)
		return false, false
	}
	return forced, ok
}

// propertyTable lists the properties of each scope.
func propertyTable() string {
	var b strings.Builder
	b.WriteString("For resource type there are the following property types:\n\n")
	row := func(name string, r *schema.Resource) {
		for _, p := range r.Props {
			fmt.Fprintf(&b, "\t%-16s%s\n", name, p.Name)
		}
	}
	row("(global)", schema.Global)
	for _, r := range schema.Resources {
		row(r.Name, r)
	}
	return b.String()
}

// resourceList lists the types of resource.
func resourceList() string {
	names := make([]string, len(schema.Resources))
	for i, r := range schema.Resources {
		names[i] = r.Name
	}
	return "<resource-type> := " + strings.Join(names, " | ") + "\n"
}

// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"strings"

	"zones/internal/schema"
	"zones/internal/syntax"
)

func (s *Session) help(c *syntax.Command, v *verb) {
	rest, ok := s.options(c, v, "", true, nil)
	switch {
	case !ok:
	case len(rest) == 0 && s.scope != nil:
		s.show(resourceHelp(s.scopeType()))
	default:
		topic := ""
		if len(rest) > 0 {
			topic = rest[0]
		}
		text, known := Topic(s.env.Program, topic)
		if known {
			s.show(text)
		} else {
			s.tell(text)
		}
	}
}

// Topic is what help says about a topic; of an unknown one it says so, and what
// topics there are.
func Topic(program, topic string) (text string, known bool) {
	switch topic {
	case "":
		return commandList() + "\n" + topics(), true
	case "commands":
		var b strings.Builder
		for i := range verbs {
			b.WriteString(verbs[i].long() + "\n")
		}
		return b.String(), true
	case "usage":
		return Usage(program), true
	case "syntax":
		return syntaxHelp(), true
	}
	if v := find(topic); v != nil {
		return v.long(), true
	}
	return fmt.Sprintf("Unknown help subject %s.  %s", topic, topics()), false
}

func topics() string {
	names := make([]string, len(verbs))
	for i, v := range verbs {
		names[i] = v.name
	}
	return "Topics are commands, syntax, usage, and the name of a\ncommand: " + strings.Join(names[:8], ", ") + ",\n" +
		strings.Join(names[8:], ", ") + ".\n"
}

func syntaxHelp() string {
	return `Commands end at the end of the line or at a semicolon.  A # where a command could
begin starts a comment.  Words are separated by blanks; one that contains blanks
or any of ; = [ ] ( ) stands in double quotes, which it cannot contain itself.

<value>  := <simple> | <complex> | <list>
<complex> := (<name>=<simple>,<name>=<simple>,...)
<list>   := [<value>,<value>,...]

` + resourceList() + "\n" + propertyTable()
}

// resourceHelp explains a type of resource and its properties.
func resourceHelp(t *schema.Resource) string {
	var b strings.Builder
	fmt.Fprintf(&b, "The %s resource.  %s\nValid commands:\n\n", t.Name, t.Help)
	for _, p := range t.Props {
		switch p.Shape {
		case schema.List:
			fmt.Fprintf(&b, "\tadd %[1]s <%[2]s>\n\tremove %[1]s <%[2]s>\n", p.Name, strings.ToLower(p.Meta))
		case schema.Composites:
			names := make([]string, len(p.Fields))
			for i, f := range p.Fields {
				names[i] = f.Name + "=<" + f.Name + ">"
			}
			fmt.Fprintf(&b, "\tadd %[1]s (%[2]s)\n\tremove %[1]s (%[2]s)\n", p.Name, strings.Join(names, ","))
		default:
			fmt.Fprintf(&b, "\tset %s=<%s>\n", p.Name, strings.ToLower(p.Meta))
			if p.CanClear {
				fmt.Fprintf(&b, "\tclear %s\n", p.Name)
			}
		}
	}
	b.WriteString("\n\tcancel, end, exit, help, info\n")
	for _, p := range t.Props {
		fmt.Fprintf(&b, "\n%s\n\t%s\n", p.Name, p.Help)
		if p.Allowed != "" {
			fmt.Fprintf(&b, "\tIts value is %s.\n", p.Allowed)
		}
	}
	return b.String()
}

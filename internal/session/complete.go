// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"strings"

	"zones/internal/schema"
)

// Complete is what a line editor asks for when TAB is pressed: pos is the
// place of the cursor in bytes. Candidates stand between head and tail. One
// that ends in a blank is a whole word, others may go on.
func (s *Session) Complete(line string, pos int) (head string, candidates []string, tail string) {
	if pos > len(line) {
		pos = len(line)
	}
	head, tail = line[:pos], line[pos:]
	start := commandStart(head)
	words, word := splitWords(head[start:])
	head = head[:len(head)-len(word)]
	for _, c := range s.candidates(words) {
		if strings.HasPrefix(c, word) {
			candidates = append(candidates, c)
		}
	}
	return head, candidates, tail
}

// commandStart is where the command begins that the line ends with.
func commandStart(line string) int {
	start, quoted := 0, false
	for i := range len(line) {
		switch line[i] {
		case '"':
			quoted = !quoted
		case ';':
			if !quoted {
				start = i + 1
			}
		}
	}
	return start
}

// splitWords cuts a command into its words and the last one, still unfinished
// and perhaps empty. "=", "[", "(" and "," end a word.
func splitWords(cmd string) (words []string, last string) {
	begin := 0
	for i := range len(cmd) {
		switch cmd[i] {
		case ' ', '\t':
			if i > begin {
				words = append(words, cmd[begin:i])
			}
			begin = i + 1
		case '=':
			words = append(words, cmd[begin:i+1])
			begin = i + 1
		case '[', '(', ',':
			begin = i + 1
		}
	}
	return words, cmd[begin:]
}

func (s *Session) candidates(words []string) []string {
	if len(words) == 0 {
		return s.firstWords()
	}
	verb, before := words[0], words[len(words)-1]
	if name, ok := strings.CutSuffix(before, "="); ok {
		return s.valuesOf(words, name)
	}
	switch verb {
	case "help":
		return s.topicWords()
	case "create":
		return s.createWords(before)
	case "delete", "exit", "revert":
		return []string{"-F "}
	case "export":
		return []string{"-f "}
	}
	if s.scope != nil {
		return s.scopeWords(verb, words)
	}
	return s.globalWords(verb, words)
}

// firstWords are the verbs that make sense in this scope. Those that end a
// command by themselves have a blank behind them all the same; the language
// does not mind.
func (s *Session) firstWords() []string {
	var names []string
	for _, v := range verbs {
		switch v.name {
		case "cancel", "end":
			if s.scope == nil {
				continue
			}
		case "add", "remove":
			if s.scope != nil && !s.hasLists(v.name == "remove") {
				continue
			}
		case "clear":
			if s.scope != nil && !slices.ContainsFunc(s.scopeType().Props, func(p *schema.Property) bool { return p.CanClear }) {
				continue
			}
		case "commit", "create", "delete", "export", "revert", "select", "verify":
			if s.scope != nil {
				continue
			}
		}
		names = append(names, v.name+" ")
	}
	return names
}

func (s *Session) hasLists(remove bool) bool {
	return len(s.listNames(remove)) > 0
}

// listNames are the properties of the open resource that add and remove take.
func (s *Session) listNames(remove bool) []string {
	var names []string
	for _, p := range s.scopeType().Props {
		if p.Shape != schema.Simple || remove && p == schema.NetDefrouter.Property {
			names = append(names, p.Name+" ")
		}
	}
	return names
}

func (s *Session) topicWords() []string {
	names := []string{"commands ", "syntax ", "usage "}
	for _, v := range verbs {
		names = append(names, v.name+" ")
	}
	return names
}

func (s *Session) createWords(before string) []string {
	if before == "-t" {
		return blanks(s.env.Facts.Values(schema.Zones))
	}
	return []string{"-F ", "-X ", "-a ", "-b ", "-t "}
}

func (s *Session) scopeWords(verb string, words []string) []string {
	var names []string
	t := s.scopeType()
	switch {
	case len(words) == 1 && (verb == "add" || verb == "remove"):
		return s.listNames(verb == "remove")
	case len(words) == 1 && (verb == "set" || verb == "clear"):
		for _, p := range t.Props {
			if verb == "set" {
				names = append(names, p.Name+"=")
			} else if p.CanClear {
				names = append(names, p.Name+" ")
			}
		}
	case len(words) == 2:
		if p := t.Prop(words[1]); p != nil {
			return s.values(p)
		}
	}
	return names
}

func (s *Session) globalWords(verb string, words []string) []string {
	var names []string
	word := 1
	if len(words) > 1 && words[1] == "-F" {
		word = 2
	}
	switch {
	case verb == "set" && len(words) == word:
		for _, p := range schema.Global.Props {
			names = append(names, p.Name+"=")
		}
	case verb == "clear" && len(words) == 1:
		for _, p := range schema.Global.Props {
			if p.CanClear {
				names = append(names, p.Name+" ")
			}
		}
	case len(words) == word && (verb == "add" || verb == "select" || verb == "remove" || verb == "info"):
		if verb == "remove" && word == 1 {
			names = append(names, "-F ")
		}
		for _, t := range schema.Resources {
			names = append(names, t.Name+" ")
		}
		if verb == "info" {
			for _, p := range schema.Global.Props {
				names = append(names, p.Name+" ")
			}
		}
	case verb == "select" || verb == "remove" || verb == "info":
		return qualifierWords(words[1])
	}
	return names
}

func qualifierWords(name string) []string {
	t := schema.Lookup(name)
	if t == nil {
		return nil
	}
	var names []string
	for _, p := range t.Props {
		if p.Match != schema.NoQualifier {
			names = append(names, p.Name+"=")
		}
	}
	return names
}

// valuesOf are values for PROP=, in set or in a qualifier. As a qualifier only
// what resources have is of use.
func (s *Session) valuesOf(words []string, name string) []string {
	t := schema.Global
	switch verb := words[0]; {
	case verb == "select" || verb == "remove" || verb == "info":
		if len(words) < 2 || schema.Lookup(words[1]) == nil {
			return nil
		}
		return s.present(schema.Lookup(words[1]).Prop(name))
	case s.scope != nil:
		t = s.scopeType()
	}
	p := t.Prop(name)
	if p == nil {
		return nil
	}
	return s.values(p)
}

// present are the values that a property has in the document.
func (s *Session) present(p *schema.Property) []string {
	if p == nil || s.doc == nil {
		return nil
	}
	var all []string
	for _, r := range s.doc.All(p.Resource) {
		if text := r.Text(p); text != "" {
			all = append(all, text)
		}
	}
	return blanks(all)
}

func (s *Session) values(p *schema.Property) []string {
	if len(p.Values) > 0 {
		return blanks(p.Values)
	}
	if p.Source == schema.Nowhere {
		return nil
	}
	return blanks(s.env.Facts.Values(p.Source))
}

func blanks(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w + " "
	}
	return out
}

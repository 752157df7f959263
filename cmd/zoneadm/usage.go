// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/google/shlex"

	"zones/internal/cli"
	"zones/internal/zone"
)

// usage is the text that lists the subcommands; the full one describes each.
func usage(full bool) string {
	var b strings.Builder
	b.WriteString("usage:\tzoneadm help\n" +
		"\tzoneadm [-z <zone>] [-u <uuid-match>] list\n" +
		"\tzoneadm {-z <zone>|-u <uuid-match>} <subcommand>\n" +
		"\nSubcommands:\n\n")
	for i := range verbs {
		v := &verbs[i]
		if v.private {
			continue
		}
		b.WriteString(v.synopsis() + "\n")
		if full {
			b.WriteString("\t" + v.help + "\n\n")
		}
	}
	if !full {
		b.WriteString("\n")
	}
	return b.String()
}

// usage is the text for one subcommand.
func (v *verb) usage() string {
	return fmt.Sprintf("usage:\t%s\n\t%s\n", v.synopsis(), v.help)
}

// A usageError is a command line that makes no sense, or a request for the
// usage of a verb, which is answered on standard error as well. Without a verb
// the short list of subcommands is meant; silent says nothing at all.
type usageError struct {
	verb   *verb
	status int
	silent bool
	brand  bool // the brand's command has something to add
}

func (e *usageError) Error() string { return "invalid usage" }

// misused is the answer to options or operands that v does not take.
func misused(v *verb) error { return &usageError{verb: v, status: cli.ExitUsage} }

// options reads v's own options by spec and hands each to set. Asking for help
// with -? and unknown options end with a usage error.
func (e *env) options(v *verb, args []string, spec string, set func(letter byte, arg string)) ([]string, error) {
	return e.scan(v, args, spec, set, nil)
}

// scan is options where other gets the letters that spec does not know; nil
// refuses them.
func (e *env) scan(v *verb, args []string, spec string, set func(letter byte, arg string), other func(letter byte)) ([]string, error) {
	help := false
	g := cli.NewGetopt(args, "?"+spec)
	for {
		letter, arg, err := g.Next()
		switch {
		case err != nil && other != nil:
			other(letter)
		case err != nil:
			e.complain(err)
			return nil, misused(v)
		case letter == 0 && help:
			return g.Operands(), &usageError{verb: v, status: cli.ExitOK}
		case letter == 0:
			return g.Operands(), nil
		case letter == '?':
			help = true
		default:
			set(letter, arg)
		}
	}
}

// brandWords are the words for verbs that pass options on to a brand, as its
// shell would see them: programs give an empty word for options that they do
// not use, and one word for an option with its argument.
func brandWords(args []string) []string {
	var words []string
	for _, arg := range args {
		if len(arg) > 2 && arg[0] == '-' && strings.ContainsRune(" \t", rune(arg[2])) {
			if parts, err := shlex.Split(arg); err == nil {
				words = append(words, parts...)
				continue
			}
		}
		if arg != "" {
			words = append(words, arg)
		}
	}
	return words
}

// brandOptions is options for a verb that the zone's brand may carry out by a
// command of its own. What zoneadm does not know is left to that, in the words
// of e.zones, operands included; without such a command it is a mistake.
func (e *env) brandOptions(v *verb, args []string, spec string, set func(letter byte, arg string)) ([]string, error) {
	own, hooked := e.zones.BrandOptions(e.zone, v.id)
	if !hooked {
		return e.options(v, brandWords(args), spec, set)
	}
	var words []string
	rest, err := e.scan(v, brandWords(args), spec+own, func(letter byte, arg string) {
		if strings.IndexByte(spec, letter) >= 0 {
			set(letter, arg)
			return
		}
		words = append(words, "-"+string(letter))
		if strings.Contains(own, string(letter)+":") {
			words = append(words, arg)
		}
	}, func(letter byte) { words = append(words, "-"+string(letter)) })
	if v.id != zone.Clone {
		words, rest = append(words, rest...), nil
	}
	e.zones.Words = words
	if asked, ok := err.(*usageError); ok {
		asked.brand = true
	}
	if err == nil {
		err = e.zones.Fits(e.zone, v.id)
	}
	return rest, err
}

// none is options for a verb that takes neither options nor operands.
func (e *env) none(v *verb, args []string) error {
	rest, err := e.options(v, args, "", nil)
	if err == nil && len(rest) > 0 {
		err = misused(v)
	}
	return err
}

// complain says what getopt would about an option.
func (e *env) complain(err error) { e.say.Bare(e.say.Program + ": " + err.Error()) }

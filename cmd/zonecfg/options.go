// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/term"

	"zones/internal/cli"
	"zones/internal/session"
	"zones/internal/store"
	"zones/internal/zone"
)

// options is a valid command line.
type options struct {
	zone  zone.Name
	file  string // of -f; empty when not given
	store *store.Store
	words []string
}

// verdict is what ends the program before there is a session.
type verdict struct {
	text   string
	status int
	asked  bool // the text was asked for
}

func (v *verdict) stream(stdout, stderr io.Writer) io.Writer {
	if v.asked {
		return stdout
	}
	return stderr
}

func parseOptions(program string, args []string) (*options, *verdict) {
	usage := &verdict{text: session.Usage(program), status: cli.ExitUsage}
	o := &options{}
	var name, uuid, root string
	named := false
	g := cli.NewGetopt(args, "?f:R:u:z:")
	for {
		letter, arg, err := g.Next()
		if err != nil {
			usage.text = program + ": " + err.Error() + "\n" + usage.text
			return nil, usage
		}
		if letter == 0 {
			break
		}
		switch letter {
		case '?':
			text, _ := session.Topic(program, "commands")
			return nil, &verdict{session.Usage(program) + "\n" + text, cli.ExitUsage, true}
		case 'f':
			o.file = arg
		case 'R':
			root = arg
		case 'u':
			uuid = arg
		case 'z':
			name, named = arg, true
		}
	}
	o.words = g.Operands()
	if v := openStore(o, root); v != nil {
		return nil, v
	}
	if uuid != "" {
		u, err := zone.ParseUUID(uuid)
		entry, findErr := o.store.LookupUUID(u)
		if err != nil || findErr != nil {
			return nil, bogus(uuid)
		}
		name, named = string(entry.Name), true
	}
	switch {
	case !named || name == "":
		return nil, usage
	case !validTarget(name):
		return nil, bogus(name)
	}
	o.zone = zone.Name(name)
	return o, nil
}

func bogus(name string) *verdict {
	return &verdict{text: (&zone.NameError{Name: name}).Error() + "\n" + session.NameHelp, status: cli.ExitUsage}
}

// openStore settles where the configuration is.
func openStore(o *options, root string) *verdict {
	if root == "" {
		o.store = store.Open("")
		return nil
	}
	if !strings.HasPrefix(root, "/") {
		return &verdict{text: "root path must be absolute: " + root, status: cli.ExitUsage}
	}
	if st, err := os.Stat(root); err != nil || !st.IsDir() {
		return &verdict{text: "root path must be a directory: " + root, status: cli.ExitUsage}
	}
	o.store = store.Open(root)
	return nil
}

// environment makes what the session works with. The function it returns is
// called at the end.
func (o *options) environment(program string, stdin *os.File, stdout, stderr io.Writer) (session.Env, func(), *verdict) {
	terminal := term.IsTerminal(int(stdin.Fd()))
	env := session.Env{
		Program: program, Zone: o.zone, File: o.file, Store: o.store, Facts: &facts{store: o.store},
		MayAsk: terminal, Out: stdout, Err: stderr,
		AtLineEnd: func() bool { return true },
	}
	err := o.store.Access(o.zone)
	switch {
	case errors.Is(err, store.ErrReadOnly):
		env.ReadOnly = true
	case err != nil:
		return env, nil, &verdict{
			text:   program + ": Could not access zone configuration store: " + cli.Reason(err),
			status: cli.ExitError,
		}
	}
	done := func() {}
	switch {
	case len(o.words) > 0:
		env.Mode, env.Numbered = session.Operands, o.file != ""
		env.Input = strings.NewReader(strings.Join(o.words, " ") + "\n")
		env.Answer = answers(stdin, stdout)
	case o.file != "" && o.file != "-":
		f, v := openScript(o.file)
		if v != nil {
			return env, nil, v
		}
		env.Mode, env.MayAsk, env.Input = session.File, false, bufio.NewReader(f)
		done = func() { f.Close() }
	default:
		env.Mode = session.Pipe
		if o.file == "-" {
			env.Mode = session.Dash
		} else if terminal {
			env.Mode = session.Terminal
		}
		page := pager{out: stdout, err: stderr}
		if terminal {
			t := newTerminal(&env)
			page.around = t.cooked
			done = t.close
		} else {
			env.Input = bufio.NewReader(stdin)
		}
		env.Page = page.show
	}
	return env, done, nil
}

func openScript(name string) (*os.File, *verdict) {
	// Opening a fifo must not wait for somebody to write.
	st, err := os.Stat(name)
	if err == nil && !st.Mode().IsRegular() {
		return nil, &verdict{text: name + " is not a regular file.", status: cli.ExitError}
	}
	f, err := os.Open(name)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, &verdict{text: "could not open file " + name + ": " + cli.Reason(err), status: cli.ExitError}
	}
	return f, nil
}

// answers asks questions at a terminal that gives no commands.
func answers(stdin *os.File, stdout io.Writer) func(string) (string, error) {
	var in *bufio.Reader
	return func(question string) (string, error) {
		if in == nil {
			in = bufio.NewReader(stdin)
		}
		_, _ = io.WriteString(stdout, question)
		line, err := in.ReadString('\n')
		return strings.TrimSuffix(line, "\n"), err
	}
}

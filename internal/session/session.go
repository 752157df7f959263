// SPDX-License-Identifier: Apache-2.0

// Package session is one run of zonecfg: it carries out the commands of a
// script or a terminal on one zone's configuration, with the effects that each
// error has on the rest of the run and on the exit status. It knows the
// commands; the language is syntax's, the properties are schema's, the files
// are store's, and how lines are edited is for whoever starts it.
package session

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"zones/internal/brand"
	"zones/internal/cli"
	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/store"
	"zones/internal/syntax"
	"zones/internal/zone"
)

// Mode is how the commands reach the program. It decides what an error does.
type Mode int

// The modes.
const (
	Operands Mode = iota // words of the command line
	File                 // -f FILE
	Pipe                 // standard input that is no terminal
	Dash                 // -f -
	Terminal             // standard input that is a terminal
)

// Interactive reports whether somebody may be watching: then output is paged
// and hints are given.
func (m Mode) Interactive() bool { return m == Pipe || m == Dash || m == Terminal }

// ErrInterrupted is returned by a line source when the line that was being
// typed has been thrown away.
var ErrInterrupted = errors.New("interrupted")

// Facts is what a session must know of the machine.
type Facts interface {
	config.Facts
	// State is the state of an active zone; false when it is not active.
	State(zone.Name) (zone.State, bool)
	// Values are those that completion offers for a property.
	Values(schema.Source) []string
}

// Env is everything a session works with. All fields but Page are needed.
type Env struct {
	Program string // what usage messages call the program
	Mode    Mode
	Zone    zone.Name
	File    string // name for messages, of mode File
	Store   *store.Store
	Facts   Facts
	Input   io.ByteReader // the commands
	// AtLineEnd reports whether all of the current input line has been read.
	AtLineEnd func() bool
	// MayAsk says whether questions can be asked at all, Answer asks one: it
	// prints the question and returns the line that was typed, or an error.
	MayAsk bool
	Answer func(question string) (string, error)
	Out    io.Writer
	Err    io.Writer
	// Page shows long output; nil prints it on Out.
	Page func(text string)
	// Attach, when set, is called with the session before it runs, for a line
	// source that wants its prompt and its completion.
	Attach func(*Session)
	// Create makes the file that export writes to; nil for os.Create.
	Create func(name string) (io.WriteCloser, error)
	// ReadOnly says that the configuration cannot be written.
	ReadOnly bool
	// Numbered says that diagnostics name the line of File even though the
	// commands came from elsewhere.
	Numbered bool
}

// A Session is one run. Make it with New.
type Session struct {
	env    Env
	parser *syntax.Parser

	target zone.Name // the zone worked on; follows set zonename
	saved  zone.Name // its last committed name
	doc    *config.Config
	gen    store.Generation // of the file that doc came from or is to replace
	fresh  bool             // doc was created and not saved yet
	dirty  bool
	failed bool // the latch: the session will exit 1
	scope  *scope

	prefixed   int  // the line of the last "On line N" that was printed
	exiting    bool // exit was accepted
	exitForced bool
}

// scope is the resource that is being added or modified.
type scope struct {
	res *config.Resource
	old *config.Resource // the one being modified; nil when adding
}

func (s *Session) scopeType() *schema.Resource {
	if s.scope == nil {
		return nil
	}
	return s.scope.res.Type
}

// New makes a session.
func New(env Env) *Session {
	s := &Session{
		env: env, target: env.Zone, saved: env.Zone,
		parser: syntax.NewParser(env.Input, Words),
	}
	if env.Attach != nil {
		env.Attach(s)
	}
	return s
}

// Words are the keywords of the language.
var Words = syntax.Words{
	Resource: func(w string) bool { return schema.Lookup(w) != nil },
	Property: schema.Keyword,
}

// Prompt is what stands before a command line.
func (s *Session) Prompt() string {
	if t := s.scopeType(); t != nil {
		return fmt.Sprintf("zonecfg:%s:%s> ", s.target, t.Name)
	}
	return fmt.Sprintf("zonecfg:%s> ", s.target)
}

// errQuit unwinds a command that ends the process at once.
type errQuit struct{}

// Run carries out all commands and returns the exit status.
func (s *Session) Run() (status int) {
	defer func() {
		if r := recover(); r != nil {
			if _, quit := r.(errQuit); !quit {
				panic(r)
			}
			status = cli.ExitError
		}
	}()
	if s.env.ReadOnly && s.env.Mode != Operands {
		s.tell("WARNING: you do not have write access to this zone's configuration file;\ngoing into read-only mode.\n")
	}
	if (s.env.Mode == Pipe || s.env.Mode == Terminal) && !s.env.ReadOnly {
		s.load(false)
	}
	for {
		s.commands()
		if status, over := s.finish(); over {
			return status
		}
		s.exiting, s.exitForced = false, false
	}
}

// commands carries out commands until the input or the session ends.
func (s *Session) commands() {
	for {
		c, err := s.parser.Next()
		var bad *syntax.Error
		switch {
		case errors.Is(err, ErrInterrupted):
			continue
		case errors.As(err, &bad):
			s.syntaxError(bad)
		case err != nil:
			if err != io.EOF {
				s.fail("read commands: %v", err)
			}
			return
		default:
			s.run(c)
		}
		switch s.env.Mode {
		case File:
			if s.failed || s.exiting {
				return
			}
		case Pipe, Dash:
			if s.exiting {
				return
			}
		case Terminal:
			if s.exiting && s.env.AtLineEnd() {
				return
			}
		}
	}
}

// finish is the end of a session: what is changed is committed, even when
// commands failed. It returns false when the session goes on.
func (s *Session) finish() (status int, over bool) {
	if s.env.Mode == Operands {
		s.env.MayAsk = false
	}
	resume := s.env.Mode == Terminal
	if s.scope != nil {
		if s.exiting || s.env.Mode == File && s.failed {
			s.failed = true
		} else if yes, asked := s.ask("Resource incomplete; really quit"); !asked {
			s.say("Resource incomplete.")
			return cli.ExitError, true
		} else if !yes {
			return cli.ExitError, !resume
		}
		s.scope = nil
	}
	if s.dirty && s.doc != nil && !s.commit() {
		yes, asked := false, false
		if !s.exitForced {
			yes, asked = s.ask("Configuration not saved; really quit")
		}
		if !asked {
			s.say("Configuration not saved.")
			return cli.ExitError, true
		}
		if !yes {
			return cli.ExitError, !resume
		}
	}
	if s.dirty || s.failed {
		return cli.ExitError, true
	}
	return cli.ExitOK, true
}

// ask puts a question whose default answer is no. The second result is false
// when it could not be asked.
func (s *Session) ask(question string) (yes, asked bool) {
	if !s.env.MayAsk {
		return false, false
	}
	for {
		line, err := s.env.Answer(question + " (y/[n])? ")
		if errors.Is(err, ErrInterrupted) {
			continue
		}
		if err != nil {
			return false, false
		}
		switch {
		case line == "" || line[0] == 'n' || line[0] == 'N':
			return false, true
		case line[0] == 'y' || line[0] == 'Y':
			return true, true
		}
	}
}

// say prints a diagnostic. In file modes the first of an input line is
// preceded by a line that tells which it is.
func (s *Session) say(format string, args ...any) {
	lines := s.parser.Lines() + 1
	if named := s.env.Mode == File || s.env.Numbered; (named || s.env.Mode == Dash) && lines > s.prefixed {
		if named {
			fmt.Fprintf(s.env.Err, "On line %d of %s:\n", lines-1, s.env.File)
		} else {
			fmt.Fprintf(s.env.Err, "On line %d:\n", lines-1)
		}
		s.prefixed = lines
	}
	text := format
	if len(args) > 0 {
		text = fmt.Sprintf(format, args...)
	}
	_, _ = io.WriteString(s.env.Err, text+"\n")
}

// fail prints a diagnostic and makes the session exit 1.
func (s *Session) fail(format string, args ...any) {
	s.say(format, args...)
	s.failed = true
}

// quit prints a diagnostic and ends the process at once: nothing is committed.
func (s *Session) quit(format string, args ...any) {
	s.say(format, args...)
	panic(errQuit{})
}

// refuse is fail in the form "PREFIX: REASON".
func (s *Session) refuse(prefix string, reason error) { s.fail("%s: %s", prefix, reason.Error()) }

func (s *Session) print(text string) { _, _ = io.WriteString(s.env.Out, text) }

// show prints what was asked for, through the pager if somebody may watch.
func (s *Session) show(text string) {
	if text == "" {
		return
	}
	if s.env.Mode.Interactive() && s.env.Page != nil {
		s.env.Page(text)
		return
	}
	s.print(text)
}

func (s *Session) syntaxError(e *syntax.Error) {
	if s.env.Mode == File || s.env.Mode == Dash || s.env.Numbered {
		fmt.Fprintf(s.env.Err, "syntax error on line %d at '%s'\n", e.Line, e.Shown())
	} else {
		fmt.Fprintf(s.env.Err, "%v\n", e)
	}
	_, _ = io.WriteString(s.env.Err, commandList())
	s.failed = true
}

// unexpected is the syntax error at a word that the grammar takes and the
// schema does not.
func (s *Session) unexpected(word string) {
	s.syntaxError(&syntax.Error{Token: word, Line: s.parser.Lines()})
}

// load makes sure that there is a document. A failure is reported and, if loud,
// makes the session exit 1.
func (s *Session) load(loud bool) bool {
	if s.doc != nil {
		return true
	}
	doc, gen, err := s.env.Store.Load(s.target)
	switch {
	case err == nil:
		s.doc, s.gen, s.fresh = doc, gen, false
	case errors.Is(err, store.ErrNoZone) && s.target == zone.Global && !s.env.ReadOnly:
		s.loadGlobal()
	default:
		s.loadFailed(err, loud)
		return false
	}
	if b := s.doc.Text(schema.Brand.Property); s.target != zone.Global && !s.template() {
		if _, ok := s.env.Facts.Brand(b); !ok {
			s.say("Zone %s uses non-existent brand \"%s\".  Unable to continue", s.target, b)
			s.hint(b)
			panic(errQuit{})
		}
	}
	return true
}

func (s *Session) loadFailed(err error, loud bool) {
	s.say("%s: %s", s.target, store.Reason(err))
	s.failed = s.failed || loud
	if errors.Is(err, store.ErrNoZone) {
		if s.env.Mode.Interactive() {
			s.print("Use 'create' to begin configuring a new zone.\n")
		}
		return
	}
	s.detail(err)
	s.failed = true
}

// storeError reports an error of the store with its place.
func (s *Session) storeError(prefix string, err error) {
	s.fail("%s: %s", prefix, store.Reason(err))
	s.detail(err)
}

// hint says what to do instead of a brand, or of the template of one, that is
// known from elsewhere.
func (s *Session) hint(name string) {
	if text := brand.Hint(name); text != "" {
		s.say("%s.", text)
	}
}

// detail prints where exactly an error of the store arose.
func (s *Session) detail(err error) {
	var e *store.Error
	if errors.As(err, &e) && e.Detail() != "" && !errors.Is(err, store.ErrNoZone) {
		s.say("%s", e.Detail())
	}
}

// loadGlobal makes the configuration of the global zone, which comes into
// being when it is first looked at.
func (s *Session) loadGlobal() {
	doc, err := s.env.Store.Template(store.BlankTemplate)
	if err != nil {
		doc = config.New(zone.Global)
	}
	doc.SetName(zone.Global)
	doc.Zone.SetText(schema.ZonePath.Property, "/")
	s.doc, s.gen, s.fresh, s.dirty = doc, store.Generation{}, false, true
}

func (s *Session) template() bool { return s.target.Template() }

// state is where the zone stands; false when no such zone is configured.
// While a rename is pending the zone is still the one of the old name.
func (s *Session) state(name zone.Name) (zone.State, bool) {
	if name == zone.Global {
		return zone.Running, true
	}
	if st, active := s.env.Facts.State(name); active {
		return st, true
	}
	e, err := s.env.Store.Lookup(name)
	switch {
	case err == nil:
		return e.State, true
	case errors.Is(err, store.ErrNoZone):
		return 0, false
	}
	s.quit("Unexpectedly failed to determine state of zone %s: %s", name, store.Reason(err))
	return 0, false
}

// canWrite refuses what changes a configuration that must not change.
func (s *Session) canWrite(verb string) bool {
	switch {
	case s.env.ReadOnly:
		s.fail("%s: cannot %s in read-only mode.", s.target, verb)
	case s.template():
		s.fail("%s: zones beginning with %s are read-only.", s.target, strings.ToUpper(string(s.target[:templatePrefix(s.target)])))
	default:
		return true
	}
	return false
}

func templatePrefix(n zone.Name) int {
	if strings.HasPrefix(string(n), "SYS") {
		return len("SYS")
	}
	return len("SUNW")
}

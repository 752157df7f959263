// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/peterh/liner"

	"zones/internal/session"
)

// terminal edits command lines, with a history and completion, and asks
// questions in between.
type terminal struct {
	editor *liner.State
	before liner.ModeApplier // how the terminal was
	prompt func() string
	line   string // what is left of the current line
}

// newTerminal makes a terminal the source of a session's commands.
func newTerminal(env *session.Env) *terminal {
	t := &terminal{}
	t.before, _ = liner.TerminalMode()
	t.editor = liner.NewLiner()
	t.editor.SetCtrlCAborts(true)
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGHUP)
	go t.restoreWhenKilled(end)
	t.editor.SetTabCompletionStyle(liner.TabPrints)
	t.readHistory()
	env.Input, env.AtLineEnd, env.Answer = t, t.atLineEnd, t.ask
	env.Attach = func(s *session.Session) {
		t.prompt = s.Prompt
		t.editor.SetWordCompleter(s.Complete)
	}
	return t
}

// restoreWhenKilled leaves the terminal as it was found when the session is
// ended from outside, and then lets the signal have its way.
func (t *terminal) restoreWhenKilled(end <-chan os.Signal) {
	sig := <-end
	if t.before != nil {
		_ = t.before.ApplyMode()
	}
	signal.Reset(sig)
	_ = syscall.Kill(os.Getpid(), sig.(syscall.Signal))
}

// ReadByte gives the commands byte by byte, and edits a line when there is
// none left. It makes a terminal an io.ByteReader.
func (t *terminal) ReadByte() (byte, error) {
	if t.line == "" {
		line, err := t.editor.Prompt(t.prompt())
		switch {
		case errors.Is(err, liner.ErrPromptAborted):
			return 0, session.ErrInterrupted
		case err != nil:
			return 0, io.EOF
		}
		if strings.TrimSpace(line) != "" {
			t.editor.AppendHistory(line)
		}
		t.line = line + "\n"
	}
	c := t.line[0]
	t.line = t.line[1:]
	return c, nil
}

func (t *terminal) atLineEnd() bool { return t.line == "" }

func (t *terminal) ask(question string) (string, error) {
	line, err := t.editor.Prompt(question)
	if errors.Is(err, liner.ErrPromptAborted) {
		return "", session.ErrInterrupted
	}
	return line, err
}

// cooked runs f with the terminal as it was found.
func (t *terminal) cooked(f func()) {
	now, err := liner.TerminalMode()
	if err != nil || t.before == nil {
		f()
		return
	}
	_ = t.before.ApplyMode()
	f()
	_ = now.ApplyMode()
}

func (t *terminal) close() {
	t.writeHistory()
	t.editor.Close()
}

// historyFile is where this user's history is kept; empty when there is no
// place for it.
func historyFile() string {
	base := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(base) {
		home, err := os.UserHomeDir()
		if err != nil || !filepath.IsAbs(home) {
			return ""
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "zonecfg", "history")
}

func (t *terminal) readHistory() {
	f, err := os.Open(historyFile())
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = t.editor.ReadHistory(f)
}

// writeHistory keeps the history for the next session. That it cannot be kept
// is nobody's concern.
func (t *terminal) writeHistory() {
	name := historyFile()
	if name == "" || os.MkdirAll(filepath.Dir(name), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".history.")
	if err != nil {
		return
	}
	// CreateTemp makes files of mode 0600.
	_, err = t.editor.WriteHistory(f)
	if f.Close() != nil || err != nil || os.Rename(f.Name(), name) != nil {
		_ = os.Remove(f.Name())
	}
}

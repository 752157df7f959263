// SPDX-License-Identifier: Apache-2.0

// Package undo is a stack of releases: each acquisition pushes its release on
// the next line, and the releases run backwards unless they are kept. It knows
// nothing of what it releases.
package undo

import "errors"

// A Stack holds the releases of what has been acquired so far. The zero value
// is empty and ready. A Stack is not safe for concurrent use.
type Stack struct {
	entries []entry
}

type entry struct {
	name    string
	release func() error
}

// Push adds a release. The name says what is released, as a noun phrase that
// fits into an error ("cgroup zones/web").
func (s *Stack) Push(name string, release func() error) {
	s.entries = append(s.entries, entry{name, release})
}

// Run carries the releases out, the latest first, and empties the stack. A
// failing release does not stop those below it; the errors come back joined.
// Run of an empty or kept stack does nothing, so it may be deferred.
func (s *Stack) Run() error {
	var errs []error
	for len(s.entries) > 0 {
		last := s.entries[len(s.entries)-1]
		s.entries = s.entries[:len(s.entries)-1]
		if err := last.release(); err != nil {
			errs = append(errs, &Error{Name: last.name, Err: err})
		}
	}
	return errors.Join(errs...)
}

// Keep empties the stack without running it: what was acquired stays.
func (s *Stack) Keep() { s.entries = nil }

// Take moves the releases into a new stack, which then owns them.
func (s *Stack) Take() *Stack {
	taken := &Stack{entries: s.entries}
	s.entries = nil
	return taken
}

// Error is a release that failed.
type Error struct {
	Name string // what was to be released
	Err  error
}

func (e *Error) Error() string { return "release " + e.Name + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

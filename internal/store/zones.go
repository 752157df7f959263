// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"zones/internal/zone"
)

// Index lists the zones in the order of the index file, the global zone among
// them if it has a line. Lines that are no entries are left out; see
// [Store.IndexProblems].
func (s *Store) Index() ([]Entry, error) {
	s.settle()
	data, err := s.readIndex()
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, strings.Count(data, "\n"))
	seen := make(map[zone.Name]struct{}, cap(entries))
	for data != "" {
		var text string
		text, data, _ = strings.Cut(data, "\n")
		l := parseLine(text)
		if _, twice := seen[l.entry.Name]; l.err != nil || twice {
			continue
		}
		seen[l.entry.Name] = struct{}{}
		entries = append(entries, l.entry)
	}
	return entries, nil
}

// IndexProblems lists the lines of the index that are neither comments nor
// entries, and entries whose name has occurred before: readers pass over them,
// and writers leave them as they are.
func (s *Store) IndexProblems() ([]*Error, error) {
	data, err := s.readIndex()
	if err != nil {
		return nil, err
	}
	var problems []*Error
	seen := map[zone.Name]int{}
	for i, l := range parseIndex(data).lines {
		if l.err == nil && seen[l.entry.Name] > 0 {
			l.err = fmt.Errorf("zone %s again, first in line %d", l.entry.Name, seen[l.entry.Name])
		}
		if l.err == nil {
			seen[l.entry.Name] = i + 1
		} else if l.err != errComment {
			problems = append(problems, &Error{Reason: ErrIndex, File: s.IndexFile(), Line: i + 1, Err: l.err})
		}
	}
	return problems, nil
}

// Lookup finds the index entry of a zone, or fails for ErrNoZone. It does not
// look for the XML file.
func (s *Store) Lookup(name zone.Name) (Entry, error) {
	return s.lookup(string(name)+":", func(Entry) bool { return true })
}

// LookupUUID finds the index entry with a UUID, or fails for ErrNoZone.
func (s *Store) LookupUUID(u zone.UUID) (Entry, error) {
	return s.lookup("", func(e Entry) bool { return e.UUID == u && !u.IsZero() })
}

// lookup finds the first entry that matches and whose line begins so.
func (s *Store) lookup(begin string, match func(Entry) bool) (Entry, error) {
	s.settle()
	data, err := s.readIndex()
	if err != nil {
		return Entry{}, err
	}
	for data != "" {
		var text string
		text, data, _ = strings.Cut(data, "\n")
		if !strings.HasPrefix(text, begin) {
			continue
		}
		if l := parseLine(text); l.err == nil && match(l.entry) {
			return l.entry, nil
		}
	}
	return Entry{}, &Error{Reason: ErrNoZone}
}

// SetState records a state of a zone (configured, incomplete or installed) and
// returns the entry as it is then. A zone has no UUID while it is configured,
// gets a new one whenever it becomes incomplete, and keeps the present one, or
// gets one, when it becomes installed. The global zone's entry never changes.
func (s *Store) SetState(name zone.Name, state zone.State) (Entry, error) {
	if state < zone.Configured || state > zone.Installed || name == zone.Global {
		return Entry{}, &Error{Reason: ErrState, Err: fmt.Errorf("set state of %s to %s", name, state)}
	}
	var entry Entry
	err := s.update(func(ix *index) (change, error) {
		l := ix.find(name)
		if l == nil {
			return change{}, s.noEntry(name)
		}
		entry = l.entry
		entry.enter(state)
		if err := l.set(entry); err != nil {
			return change{}, s.indexError(err)
		}
		return change{index: ix.bytes()}, nil
	})
	return entry, err
}

// What zoneadm writes down beside a zone's configuration is called by the zone's
// name and one of these: a move that is under way, and a change of ids. NewNote is
// added while it is written.
const (
	MoveNote = ".move"
	IDsNote  = ".ids"
	NewNote  = ".new"
)

// notes are all names that a note may have.
var notes = []string{MoveNote, IDsNote, MoveNote + NewNote, IDsNote + NewNote}

// Delete removes a zone's index entry and its XML file; one of them is enough.
// Whether the zone's state allows that is the caller's business. Notes about the
// zone go too: they say nothing of another one that gets its name.
func (s *Store) Delete(name zone.Name) error {
	if name == zone.Global {
		return &Error{Reason: ErrState, Err: errors.New("delete the global zone")}
	}
	err := s.update(func(ix *index) (change, error) {
		var c change
		if ix.find(name) != nil {
			ix.remove(name)
			c.index = ix.bytes()
		}
		exists, err := s.exists(name)
		switch {
		case err != nil:
			return change{}, err
		case exists:
			c.remove = name
		case c.index == nil:
			return change{}, &Error{Reason: ErrNoZone}
		}
		return c, nil
	})
	for _, note := range notes {
		if err == nil {
			_ = unix.Unlink(filepath.Join(s.ConfigDir(), string(name)+note))
		}
	}
	return err
}

// exists reports whether a zone's XML file is there, of whatever content. The
// caller holds the lock.
func (s *Store) exists(name zone.Name) (bool, error) {
	var st unix.Stat_t
	err := unix.Lstat(s.ConfigFile(name), &st)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return err == nil, nil
	}
	return false, &Error{Reason: ErrFileSystem, File: s.ConfigFile(name), Err: err}
}

// update holds the lock, finishes what a dead session has left, reads the index
// and makes the change that f decides on.
func (s *Store) update(f func(*index) (change, error)) error {
	l, err := s.lockIndex(true)
	if err != nil {
		return err
	}
	defer l.Unlock()
	if err := s.recover(); err != nil {
		return err
	}
	data, err := s.readIndex()
	if err != nil {
		return err
	}
	ix := parseIndex(data)
	c, err := f(ix)
	if err != nil {
		return err
	}
	// Lines cannot hold NUL bytes, so this file lost blocks in a crash or was
	// never an index: it is for the administrator to mend.
	if i := strings.IndexByte(data, 0); i >= 0 && c.index != nil {
		return &Error{
			Reason: ErrIndex, File: s.IndexFile(), Line: 1 + strings.Count(data[:i], "\n"),
			Err: errors.New("NUL byte: the file is damaged and is left alone"),
		}
	}
	return s.apply(c)
}

func (s *Store) noEntry(name zone.Name) error {
	return s.indexError(fmt.Errorf("no entry for zone %s", name))
}

func (s *Store) indexError(err error) error {
	return &Error{Reason: ErrIndex, File: s.IndexFile(), Err: err}
}

// Access tells whether a session may write the configuration of a zone: nil, an
// error for ErrReadOnly when permission is denied, or another error of the
// system, such as a read-only file system. What is tested is the XML file or,
// if there is none, the configuration folder.
func (s *Store) Access(name zone.Name) error {
	path := s.ConfigFile(name)
	err := unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS)
	if errors.Is(err, unix.ENOENT) {
		path = s.ConfigDir()
		err = unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return &Error{Reason: ErrReadOnly, File: path, Err: err}
	}
	return &Error{Reason: ErrFileSystem, File: path, Err: err}
}

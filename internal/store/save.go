// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"

	"zones/internal/zone"
)

// errOther says why a change is refused whose base is no longer what is stored.
var errOther = errors.New("the stored configuration is not the one that was read")

// Generation is that of a zone's stored XML file, readable or not; zero if
// there is none.
func (s *Store) Generation(name zone.Name) (Generation, error) {
	_, gen, err := s.readXML(name)
	if errors.Is(err, ErrNoZone) {
		err = nil
	}
	return gen, err
}

// A put is an XML file to be stored. doc makes it once the lock is held, and may
// ask for a debug id.
type put struct {
	name zone.Name
	path string // zonepath
	doc  func(debugID func() int) ([]byte, error)
}

// saveDoc replaces the XML file of an existing zone. The index follows a new
// path and keeps the state; it has nothing to say of the global zone.
func (s *Store) saveDoc(p put, base Generation) error {
	return s.update(func(ix *index) (change, error) {
		c, err := s.begin(ix, p.name, p, base)
		if err != nil || p.name == zone.Global {
			return c, err
		}
		l := ix.find(p.name)
		if l == nil {
			return c, s.noEntry(p.name)
		}
		if entry := l.entry; entry.Path != p.path {
			entry.Path = p.path
			return s.withEntry(c, ix, l, entry)
		}
		return c, nil
	})
}

// createDoc stores the XML file of a new zone and its entry as configured. An
// entry that exists, up to incomplete, starts again, and so does an XML file of
// generation base.
func (s *Store) createDoc(p put, base Generation) error {
	return s.update(func(ix *index) (change, error) {
		c, err := s.begin(ix, p.name, p, base)
		if err != nil || p.name == zone.Global {
			return c, err
		}
		l := ix.find(p.name)
		if l != nil && l.entry.State >= zone.Installed {
			return c, &Error{Reason: ErrState, File: s.IndexFile()}
		}
		return s.withEntry(c, ix, l, Entry{Name: p.name, State: zone.Configured, Path: p.path})
	})
}

// renameDoc stores the XML file of a zone under a new name, with whatever else
// has changed in it; the entry keeps its place, state and UUID.
func (s *Store) renameDoc(old zone.Name, p put, base Generation) error {
	if old == zone.Global || p.name == zone.Global {
		return &Error{Reason: ErrName}
	}
	return s.update(func(ix *index) (change, error) {
		c, err := s.begin(ix, old, p, base)
		if err != nil {
			return c, err
		}
		c.remove = old
		l := ix.find(old)
		if l == nil {
			return c, s.noEntry(old)
		}
		taken, err := s.exists(p.name)
		if err != nil {
			return c, err
		}
		if taken || ix.find(p.name) != nil {
			return c, &Error{Reason: ErrInUse, File: s.ConfigFile(p.name)}
		}
		entry := l.entry
		entry.Name, entry.Path = p.name, p.path
		return s.withEntry(c, ix, l, entry)
	})
}

// begin checks that the stored XML file of old is still base and makes the one
// that takes its place.
func (s *Store) begin(ix *index, old zone.Name, p put, base Generation) (change, error) {
	gen, err := s.Generation(old)
	if err != nil {
		return change{}, err
	}
	if gen != base {
		return change{}, &Error{Reason: ErrConflict, File: s.ConfigFile(old), Err: errOther}
	}
	doc, err := p.doc(func() int {
		if gen != (Generation{}) {
			if id := (&header{store: s}).read(old).DebugID; id > 0 {
				return id
			}
		}
		return s.nextDebugID(ix)
	})
	return change{doc: doc, name: p.name}, err
}

// withEntry adds an index to a change in which a line, or a new one at the end
// if l is nil, has become e.
func (s *Store) withEntry(c change, ix *index, l *line, e Entry) (change, error) {
	err := error(nil)
	if l == nil {
		err = ix.add(e)
	} else {
		err = l.set(e)
	}
	if err != nil {
		return c, s.indexError(err)
	}
	c.index = ix.bytes()
	return c, nil
}

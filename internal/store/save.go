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

// unchanged fails for ErrConflict unless the stored XML file is still base. The
// caller holds the lock.
func (s *Store) unchanged(name zone.Name, base Generation) error {
	gen, err := s.Generation(name)
	if err != nil {
		return err
	}
	if gen != base {
		return &Error{Reason: ErrConflict, File: s.ConfigFile(name), Err: errOther}
	}
	return nil
}

// saveDoc replaces the XML file of an existing zone. The index follows a new
// path and keeps the state; it has nothing to say of the global zone.
func (s *Store) saveDoc(name zone.Name, doc []byte, path string, base Generation) error {
	return s.update(func(ix *index) (change, error) {
		c := change{doc: doc, name: name}
		if err := s.unchanged(name, base); err != nil || name == zone.Global {
			return c, err
		}
		l := ix.find(name)
		if l == nil {
			return c, s.noEntry(name)
		}
		if entry := l.entry; entry.Path != path {
			entry.Path = path
			if err := l.set(entry); err != nil {
				return c, s.indexError(err)
			}
			c.index = ix.bytes()
		}
		return c, nil
	})
}

// createDoc stores the XML file of a new zone and its entry as configured. An
// entry that exists, up to incomplete, starts again, and so does an XML file of
// generation base.
func (s *Store) createDoc(name zone.Name, doc []byte, path string, base Generation) error {
	return s.update(func(ix *index) (change, error) {
		c := change{doc: doc, name: name}
		if err := s.unchanged(name, base); err != nil || name == zone.Global {
			return c, err
		}
		entry := Entry{Name: name, State: zone.Configured, Path: path}
		var err error
		switch l := ix.find(name); {
		case l == nil:
			err = ix.add(entry)
		case l.entry.State >= zone.Installed:
			return c, &Error{Reason: ErrState, File: s.IndexFile()}
		default:
			err = l.set(entry)
		}
		if err != nil {
			return c, s.indexError(err)
		}
		c.index = ix.bytes()
		return c, nil
	})
}

// renameDoc stores the XML file of a zone under a new name, with whatever else
// has changed in it; the entry keeps its place, state and UUID.
func (s *Store) renameDoc(old, name zone.Name, doc []byte, path string, base Generation) error {
	if old == zone.Global || name == zone.Global {
		return &Error{Reason: ErrName}
	}
	return s.update(func(ix *index) (change, error) {
		c := change{doc: doc, name: name, remove: old}
		if err := s.unchanged(old, base); err != nil {
			return c, err
		}
		l := ix.find(old)
		if l == nil {
			return c, s.noEntry(old)
		}
		taken, err := s.exists(name)
		if err != nil {
			return c, err
		}
		if taken || ix.find(name) != nil {
			return c, &Error{Reason: ErrInUse, File: s.ConfigFile(name)}
		}
		entry := l.entry
		entry.Name, entry.Path = name, path
		if err := l.set(entry); err != nil {
			return c, s.indexError(err)
		}
		c.index = ix.bytes()
		return c, nil
	})
}

// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"

	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/zone"
)

// Load reads the configuration of a zone, or a template that stands beside the
// zones. Save wants the generation back. The errors are for ErrNoZone and
// ErrInvalid; a damaged file is left as it is.
func (s *Store) Load(name zone.Name) (*config.Config, Generation, error) {
	s.settle()
	data, gen, err := s.readXML(name)
	if err != nil {
		return nil, gen, err
	}
	c, err := decodeFile(s.ConfigFile(name), data)
	if err != nil {
		return nil, gen, err
	}
	c.SetName(name)
	return c, gen, nil
}

// ReadFile reads a configuration from any file: a snapshot, a detached zone's.
func ReadFile(path string) (*config.Config, error) {
	data, err := readFile(path, maxXML)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Error{Reason: ErrNoZone, File: path, Err: err}
	case errors.Is(err, fs.ErrPermission):
		return nil, &Error{Reason: ErrPermission, File: path, Err: err}
	case err != nil:
		return nil, &Error{Reason: ErrInvalid, File: path, Err: err}
	}
	return decodeFile(path, data)
}

func decodeFile(path string, data []byte) (*config.Config, error) {
	c, err := decode(data)
	var e *Error
	if errors.As(err, &e) {
		e.File = path
	}
	return c, err
}

// Parse reads a configuration from what is in a file.
func Parse(data []byte) (*config.Config, error) { return decode(data) }

// Document is a configuration as it is written to a file.
func Document(c *config.Config) ([]byte, error) { return encode(c) }

// WriteFile stores a configuration in any file, atomically and durably. The
// folder must be one that only the administrator can write to.
func WriteFile(path string, c *config.Config) error {
	doc, err := encode(c)
	if err != nil {
		return err
	}
	dir, base := filepath.Split(path)
	// One name for one file, so that what is left after a crash is used again.
	temp := dir + "." + base + ".new"
	fd, err := createNew(temp)
	if err != nil {
		return &Error{Reason: ErrTemporary, File: path, Err: err}
	}
	if err = fill(fd, doc); err == nil {
		err = unix.Rename(temp, path)
	}
	if err != nil {
		_ = unix.Unlink(temp)
		return &Error{Reason: ErrSave, File: path, Err: err}
	}
	return syncDir(filepath.Clean(dir))
}

// Save stores a configuration under its name, for a zone that exists. base is
// the generation that was loaded: if the stored file is another by now, the
// error is for ErrConflict and nothing changes. The state is kept. A zone
// without a debug id gets one, in c too. The global zone has no index entry to
// follow; its file is made if need be.
func (s *Store) Save(c *config.Config, base Generation) (Generation, error) {
	return s.store(c, func(p put) error { return s.saveDoc(p, base) })
}

// Create stores the configuration of a new zone, which is configured then. base
// is the generation that it is to replace, from [Store.Generation] when the
// administrator agreed to that; zero for none. The zone gets a debug id, in c
// too. Fails for ErrState over a zone that is installed.
func (s *Store) Create(c *config.Config, base Generation) (Generation, error) {
	dropDebugID(c)
	return s.store(c, func(p put) error { return s.createDoc(p, base) })
}

// Rename stores the configuration of zone old under the name that it has now,
// with all other changes in it. State and UUID are kept,
// and so are notes about the zone. Fails for ErrInUse.
func (s *Store) Rename(old zone.Name, c *config.Config, base Generation) (Generation, error) {
	gen, err := s.store(c, func(p put) error { return s.renameDoc(old, p, base) })
	for _, note := range notes {
		if err == nil {
			_ = unix.Rename(filepath.Join(s.ConfigDir(), string(old)+note), filepath.Join(s.ConfigDir(), string(c.Name())+note))
		}
	}
	return gen, err
}

func (s *Store) store(c *config.Config, save func(put) error) (Generation, error) {
	if _, err := zone.ParseName(string(c.Name())); err != nil {
		return Generation{}, &Error{Reason: ErrName, Err: err}
	}
	var gen Generation
	err := save(put{name: c.Name(), path: pathOf(c), doc: func(debugID func() int) ([]byte, error) {
		if c.Name() != zone.Global && DebugID(c) == 0 {
			setDebugID(c, debugID())
		}
		doc, err := encode(c)
		gen = sha256.Sum256(doc)
		return doc, err
	}})
	if err != nil {
		return Generation{}, err
	}
	return gen, nil
}

// SetPath moves a zone to another zonepath, in its XML file and in the index.
func (s *Store) SetPath(name zone.Name, path string) error {
	return s.update(func(ix *index) (change, error) { return s.moved(ix, name, path) })
}

// CheckPath fails as SetPath would for a zonepath that cannot be stored.
func (s *Store) CheckPath(name zone.Name, path string) error {
	s.settle()
	data, err := s.readIndex()
	if err == nil {
		_, err = s.moved(parseIndex(data), name, path)
	}
	return err
}

// moved is the change by which a zone of the index gets another zonepath.
func (s *Store) moved(ix *index, name zone.Name, path string) (change, error) {
	l := ix.find(name)
	if l == nil || name == zone.Global {
		return change{}, s.noEntry(name)
	}
	data, _, err := s.readXML(name)
	if err != nil {
		return change{}, err
	}
	conf, err := decodeFile(s.ConfigFile(name), data)
	if err != nil {
		return change{}, err
	}
	conf.SetName(name)
	conf.Zone.SetText(schema.ZonePath.Property, path)
	doc, err := encode(conf)
	if err != nil {
		return change{}, err
	}
	entry := l.entry
	entry.Path = path
	if err := l.set(entry); err != nil {
		return change{}, s.indexError(err)
	}
	return change{doc: doc, name: name, index: ix.bytes()}, nil
}

// Register enters a zone in the index, as configured, whose XML file is there
// already.
func (s *Store) Register(name zone.Name) error {
	return s.update(func(ix *index) (change, error) {
		if name == zone.Global || ix.find(name) != nil {
			return change{}, &Error{Reason: ErrInUse, File: s.IndexFile()}
		}
		data, _, err := s.readXML(name)
		if err != nil {
			return change{}, err
		}
		c, err := decodeFile(s.ConfigFile(name), data)
		if err != nil {
			return change{}, err
		}
		if err := ix.add(Entry{Name: name, Path: pathOf(c)}); err != nil {
			return change{}, s.indexError(err)
		}
		return change{index: ix.bytes()}, nil
	})
}

func pathOf(c *config.Config) string { return c.Text(schema.ZonePath.Property) }

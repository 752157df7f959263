// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"zones/internal/zone"
)

// A change is what one commit, delete or rename does to the configuration
// folder. A change of one file is one rename or one removal. For more than one
// the order is:
//
//  1. the new files are written beside the old ones, under staged names;
//  2. the journal, which lists what remains to be done, is written and renamed
//     to its name: from here on the change counts as made;
//  3. the staged files are renamed, the old ones removed, then the journal.
//
// Every file is synchronized before its rename and the folder after it. A
// process that dies before 2 has changed nothing; what one leaves that dies
// after 2 is finished by the next that can take the lock, and readers who cannot
// write look through the journal meanwhile (files.go). The staged names are
// fixed, and only the holder of the lock uses them, so nothing piles up.
type change struct {
	doc    []byte    // the new XML file of name, or nil
	name   zone.Name // whose XML file doc becomes
	index  []byte    // the new index, or nil
	remove zone.Name // whose XML file goes away, or ""
}

const (
	stagedXML   = ".pending.xml"
	stagedIndex = ".pending.index"
	newJournal  = ".pending.new"
	journalName = ".pending"

	journalHead = "zones-journal 1"
	maxJournal  = 4 << 10
)

// A journal is a change that is decided. Sums tell a staged file that belongs
// to it from one that a later, unfinished change has left.
type journal struct {
	name     zone.Name
	xmlSum   string // empty when the change has no XML file
	indexSum string // empty when the change has no index
	remove   zone.Name
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func (j *journal) encode() []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, journalHead)
	if j.xmlSum != "" {
		fmt.Fprintln(&b, "xml", j.name, j.xmlSum)
	}
	if j.indexSum != "" {
		fmt.Fprintln(&b, "index", j.indexSum)
	}
	if j.remove != "" {
		fmt.Fprintln(&b, "remove", j.remove)
	}
	fmt.Fprintln(&b, "end")
	return b.Bytes()
}

var errJournal = errors.New("damaged journal")

func decodeJournal(data []byte) (*journal, error) {
	lines := strings.Split(string(data), "\n")
	if n := len(lines); n < 3 || lines[0] != journalHead || lines[n-2] != "end" || lines[n-1] != "" {
		return nil, errJournal
	}
	j := &journal{}
	for _, text := range lines[1 : len(lines)-2] {
		word := strings.Split(text, " ")
		var err error
		switch {
		case len(word) == 3 && word[0] == "xml":
			j.name, err = zone.ParseName(word[1])
			j.xmlSum = word[2]
		case len(word) == 2 && word[0] == "index":
			j.indexSum = word[1]
		case len(word) == 2 && word[0] == "remove":
			j.remove, err = zone.ParseName(word[1])
		default:
			err = errJournal
		}
		if err != nil {
			return nil, errJournal
		}
	}
	return j, nil
}

// readJournal returns nil without an error when there is none.
func (s *Store) readJournal() (*journal, error) {
	path := s.path(journalName)
	data, err := readFile(path, maxJournal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &Error{Reason: ErrFileSystem, File: path, Err: err}
	}
	j, err := decodeJournal(data)
	if err != nil {
		return nil, &Error{Reason: ErrFileSystem, File: path, Err: err}
	}
	return j, nil
}

// apply makes a change. The caller holds the lock and has called recover.
func (s *Store) apply(c change) error {
	steps := 0
	for _, there := range []bool{c.doc != nil, c.index != nil, c.remove != ""} {
		if there {
			steps++
		}
	}
	if steps == 0 {
		return nil
	}
	j := &journal{name: c.name, remove: c.remove}
	if c.doc != nil {
		if err := s.stage(stagedXML, c.doc); err != nil {
			return s.abandon(err)
		}
		j.xmlSum = sum(c.doc)
	}
	if c.index != nil {
		if err := s.stage(stagedIndex, c.index); err != nil {
			return s.abandon(err)
		}
		j.indexSum = sum(c.index)
	}
	if steps > 1 {
		if err := s.stage(newJournal, j.encode()); err != nil {
			return s.abandon(err)
		}
		if err := s.rename(newJournal, journalName); err != nil {
			return s.abandon(err)
		}
		if err := s.syncDir(); err != nil {
			return err
		}
	}
	if err := s.carryOut(j); err != nil {
		if steps == 1 {
			return s.abandon(err)
		}
		return err
	}
	if steps > 1 {
		return s.unlink(journalName)
	}
	return nil
}

// carryOut does what a journal lists; what is done already is left as it is.
func (s *Store) carryOut(j *journal) error {
	if j.xmlSum != "" {
		if err := s.rename(stagedXML, fileName(j.name)); err != nil {
			return err
		}
	}
	if j.indexSum != "" {
		if err := s.rename(stagedIndex, indexName); err != nil {
			return err
		}
	}
	if j.remove != "" {
		if err := s.unlink(fileName(j.remove)); err != nil {
			return err
		}
	}
	return s.syncDir()
}

// recover finishes a decided change and removes the staged files of one that
// was not. The caller holds the lock.
func (s *Store) recover() error {
	j, err := s.readJournal()
	if err != nil {
		return err
	}
	if j != nil {
		if !s.staged(stagedXML, j.xmlSum) {
			j.xmlSum = ""
		}
		if !s.staged(stagedIndex, j.indexSum) {
			j.indexSum = ""
		}
		if err := s.carryOut(j); err != nil {
			return err
		}
		if err := s.unlink(journalName); err != nil {
			return err
		}
	}
	for _, name := range leftovers {
		if err := s.unlink(name); err != nil {
			return err
		}
	}
	return nil
}

var leftovers = []string{stagedXML, stagedIndex, newJournal}

// staged reports whether a staged file is the one that a journal means.
func (s *Store) staged(name, want string) bool {
	if want == "" {
		return false
	}
	data, err := readFile(s.path(name), maxXML)
	return err == nil && sum(data) == want
}

// settle lets a session that starts finish what an earlier one left, if it may
// write and nobody else is at work. It may fail: readers see through a journal.
func (s *Store) settle() {
	for _, name := range append([]string{journalName}, leftovers...) {
		var st unix.Stat_t
		if err := unix.Lstat(s.path(name), &st); err != nil {
			continue
		}
		if l, err := s.lockIndex(false); err == nil {
			_ = s.recover()
			_ = l.Unlock()
		}
		return
	}
}

// abandon removes staged files after a failure and returns its error.
func (s *Store) abandon(err error) error {
	for _, name := range leftovers {
		_ = s.unlink(name)
	}
	return err
}

func (s *Store) path(name string) string { return s.ConfigDir() + "/" + name }

// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"strings"

	"zones/internal/zone"
)

// Bounds of the index. A line over maxLine is no entry; the longest path Linux
// takes and the longest name fit well.
const (
	maxLine  = 8 << 10
	maxIndex = 64 << 20
)

// An Entry is one zone of the index.
type Entry struct {
	Name  zone.Name
	State zone.State // configured, incomplete or installed
	Path  string     // zonepath as seen from below the root; may be empty
	UUID  zone.UUID
}

// A line is one line of the index as it stands there. What is no entry is kept
// as it is, and so is whatever follows the fields of one.
type line struct {
	text  string // without its newline
	entry Entry
	extra string // from the colon after the UUID on
	err   error  // why this is no entry; errComment for what does not claim to be
}

var errComment = errors.New("comment")

// parseLine reads "name:state:path:uuid"; missing fields are empty and further
// ones are ignored. A path in double quotes may hold colons.
func parseLine(text string) line {
	l := line{text: text}
	if text == "" || text[0] == '#' {
		l.err = errComment
		return l
	}
	if len(text) > maxLine {
		l.err = fmt.Errorf("line of %d bytes, %d allowed", len(text), maxLine)
		return l
	}
	name, rest, _ := strings.Cut(text, ":")
	state, rest, _ := strings.Cut(rest, ":")
	if l.entry.Name, l.err = zone.ParseName(name); l.err != nil {
		return l
	}
	if l.entry.State, l.err = zone.ParseState(state); l.err != nil {
		return l
	}
	if l.entry.State > zone.Installed {
		l.err = fmt.Errorf("state %q is never stored", state)
		return l
	}
	var uuid string
	if strings.HasPrefix(rest, `"`) {
		var closed bool
		if l.entry.Path, rest, closed = strings.Cut(rest[1:], `"`); !closed {
			l.err = errors.New("unterminated quote")
			return l
		}
		_, rest, _ = strings.Cut(rest, ":")
	} else {
		l.entry.Path, rest, _ = strings.Cut(rest, ":")
	}
	if strings.IndexByte(l.entry.Path, 0) >= 0 {
		l.err = errors.New("NUL byte in the path")
		return l
	}
	if i := strings.IndexByte(rest, ':'); i >= 0 {
		uuid, l.extra = rest[:i], rest[i:]
	} else {
		uuid = rest
	}
	// A UUID that does not parse counts as none.
	l.entry.UUID, _ = zone.ParseUUID(uuid)
	return l
}

// set gives the line a new entry.
func (l *line) set(e Entry) error {
	path := e.Path
	if strings.ContainsAny(path, "\n\x00") || strings.HasPrefix(path, `"`) {
		return fmt.Errorf("path %q cannot stand in the index", path)
	}
	if strings.Contains(path, ":") {
		if strings.Contains(path, `"`) {
			return fmt.Errorf("path %q cannot stand in the index", path)
		}
		path = `"` + path + `"`
	}
	text := string(e.Name) + ":" + e.State.String() + ":" + path + ":" + e.UUID.String() + l.extra
	if len(text) > maxLine {
		return fmt.Errorf("path of %d bytes cannot stand in the index", len(path))
	}
	l.text, l.entry, l.err = text, e, nil
	return nil
}

// An index is the whole file, line by line.
type index struct {
	lines []line
}

// emptyIndex is what a file that does not exist yet stands for.
const emptyIndex = "global:installed:/:\n"

func parseIndex(data string) *index {
	ix := &index{lines: make([]line, 0, strings.Count(data, "\n")+1)}
	for _, text := range strings.Split(strings.TrimSuffix(data, "\n"), "\n") {
		ix.lines = append(ix.lines, parseLine(text))
	}
	if data == "" {
		ix.lines = ix.lines[:0]
	}
	return ix
}

func (ix *index) bytes() []byte {
	size := 0
	for i := range ix.lines {
		size += len(ix.lines[i].text) + 1
	}
	b := make([]byte, 0, size)
	for i := range ix.lines {
		b = append(append(b, ix.lines[i].text...), '\n')
	}
	return b
}

// find returns the first line that is the entry of name; readers see the first
// one too.
func (ix *index) find(name zone.Name) *line {
	for i := range ix.lines {
		if l := &ix.lines[i]; l.err == nil && l.entry.Name == name {
			return l
		}
	}
	return nil
}

func (ix *index) add(e Entry) error {
	var l line
	if err := l.set(e); err != nil {
		return err
	}
	ix.lines = append(ix.lines, l)
	return nil
}

func (ix *index) remove(name zone.Name) {
	kept := ix.lines[:0]
	for _, l := range ix.lines {
		if l.err != nil || l.entry.Name != name {
			kept = append(kept, l)
		}
	}
	ix.lines = kept
}

// enter moves e to a state by the rules for UUIDs: none while configured, a new
// one on every entry of incomplete, and for installed the present one or, if
// there is none, a new one.
func (e *Entry) enter(state zone.State) {
	e.State = state
	switch {
	case state == zone.Configured:
		e.UUID = zone.UUID{}
	case state == zone.Incomplete, e.UUID.IsZero():
		e.UUID = zone.NewUUID()
	}
}

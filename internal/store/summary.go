// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"os"
	"slices"
	"strings"

	"zones/internal/zone"
)

// A Summary is what a list of zones says of one: its index entry and what the
// root element of its XML file tells.
type Summary struct {
	Entry
	Brand   string
	IPType  string // never empty
	DebugID int    // 0 when there is none
	IDBase  uint64 // first of the host's ids that stand for the zone's; 0 when there is none
	IDSize  uint64 // how many there are or will be
	Err     error  // why the XML file could not be read; then all above but the entry are empty
}

// Summaries is Index with the root elements of the XML files, of which nothing
// else is read: it serves lists of many zones.
func (s *Store) Summaries() ([]Summary, error) {
	entries, err := s.Index()
	if err != nil {
		return nil, err
	}
	list := make([]Summary, len(entries))
	h := &header{store: s}
	for i, e := range entries {
		list[i] = h.summary(e)
	}
	return list, nil
}

// Summary is one zone's; it fails for ErrNoZone when the index lacks it.
func (s *Store) Summary(name zone.Name) (Summary, error) {
	e, err := s.Lookup(name)
	if err != nil {
		return Summary{}, err
	}
	return (&header{store: s}).summary(e), nil
}

func (h *header) summary(e Entry) Summary {
	sum := h.read(e.Name)
	path := e.Path
	if path == "" {
		path = sum.Path
	}
	sum.Entry, sum.Path = e, path
	return sum
}

// files lists the zones and templates that have an XML file, in order.
func (s *Store) files() []zone.Name {
	list, err := os.ReadDir(s.ConfigDir())
	if err != nil {
		return nil
	}
	var names []zone.Name
	for _, e := range list {
		base, ok := strings.CutSuffix(e.Name(), ".xml")
		if name, err := zone.ParseName(base); ok && err == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Names lists the zones that can be selected, in the order of the index, those
// without an index entry last; the global zone and templates are not among them.
func (s *Store) Names() ([]zone.Name, error) {
	entries, err := s.Index()
	if err != nil {
		return nil, err
	}
	var names []zone.Name
	known := map[zone.Name]bool{zone.Global: true}
	for _, e := range entries {
		if !known[e.Name] {
			names = append(names, e.Name)
			known[e.Name] = true
		}
	}
	for _, name := range s.files() {
		if known[name] || name.Template() {
			continue
		}
		// A delete or a rename that is decided may still have to remove it.
		if _, _, err := s.readXML(name); !errors.Is(err, ErrNoZone) {
			names = append(names, name)
		}
	}
	return names, nil
}

// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/xml"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"zones/internal/schema"
	"zones/internal/zone"
)

// A Summary is what a list of zones says of one: its index entry and what the
// root element of its XML file tells.
type Summary struct {
	Entry
	Brand   string
	IPType  string // never empty
	DebugID int    // 0 when there is none
	Err     error  // why the XML file could not be read; then the four above are empty
}

// headSize is how much of an XML file is read for its root element.
const headSize = 4 << 10

// Summaries is Index with the root elements of the XML files, of which nothing
// else is read: it serves lists of many zones.
func (s *Store) Summaries() ([]Summary, error) {
	entries, err := s.Index()
	if err != nil {
		return nil, err
	}
	list := make([]Summary, len(entries))
	for i, e := range entries {
		list[i] = s.summary(e)
	}
	return list, nil
}

// Summary is one zone's; it fails for ErrNoZone when the index lacks it.
func (s *Store) Summary(name zone.Name) (Summary, error) {
	e, err := s.Lookup(name)
	if err != nil {
		return Summary{}, err
	}
	return s.summary(e), nil
}

func (s *Store) summary(e Entry) Summary {
	sum := s.head(e.Name)
	path := e.Path
	if path == "" {
		path = sum.Path
	}
	sum.Entry, sum.Path = e, path
	return sum
}

// head reads the root element of a zone's XML file. The entry has the path only.
func (s *Store) head(name zone.Name) Summary {
	start, err := s.rootElement(name)
	if err != nil {
		return Summary{Err: err}
	}
	sum := Summary{IPType: schema.IPType.Default}
	for _, a := range start.Attr {
		switch n := fullName(a.Name); {
		case n == schema.ZonePath.Attr:
			sum.Path = a.Value
		case n == schema.Brand.Attr:
			sum.Brand = a.Value
		case n == schema.IPType.Attr && a.Value != "":
			sum.IPType = a.Value
		case n == debugID:
			sum.DebugID = parseDebugID(a.Value)
		}
	}
	return sum
}

func (s *Store) rootElement(name zone.Name) (xml.StartElement, error) {
	path := s.ConfigFile(name)
	data, err := readHead(path)
	if err == nil {
		d := &decoder{}
		d.open(data)
		if root, err := d.prolog(); err == nil && fullName(root.Name) == schema.Global.Element {
			return root, nil
		}
	}
	// Larger than expected, damaged, or to be read through a journal.
	data, _, err = s.readXML(name)
	if err != nil {
		return xml.StartElement{}, err
	}
	if _, err := decodeFile(path, data); err != nil {
		return xml.StartElement{}, err
	}
	d := &decoder{}
	d.open(data)
	return d.prolog()
}

func readHead(path string) ([]byte, error) {
	fd, err := open(path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	b := make([]byte, headSize)
	n, err := unix.Read(fd, b)
	if err != nil {
		return nil, err
	}
	return b[:n], nil
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
		if !known[name] && !name.Template() {
			names = append(names, name)
		}
	}
	return names, nil
}

// HasFile reports whether a zone's XML file is there, of whatever content.
func (s *Store) HasFile(name zone.Name) bool {
	_, _, err := s.readXML(name)
	return err == nil || !errors.Is(err, ErrNoZone) && !errors.Is(err, fs.ErrNotExist)
}

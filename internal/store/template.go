// SPDX-License-Identifier: Apache-2.0

package store

import (
	"embed"
	"errors"
	"slices"
	"strconv"
	"strings"

	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/zone"
)

// The names of the templates that "create" and "create -b" begin with.
const (
	DefaultTemplate = "SYSdefault"
	BlankTemplate   = "SYSblank"
)

// illumos is the prefix that illumos has where templates here have "SYS".
const illumos = "SUNW"

// The shipped templates are also installed beside the zones, where an
// administrator may change them; a root without them has these.
//
//go:embed templates/*.xml
var shipped embed.FS

// Template reads what "create -t" names: a template or a zone that stands in
// the configuration folder, or a shipped template. A name that begins in lower
// case may leave out the prefix of a brand's template. A name of illumos
// stands for ours where there is no such template, and one of ours for that of
// illumos if only that is in the folder. The result has the name
// of what it was read from. What belongs to one zone alone, its debug id and
// its range of ids, is taken out. The errors are for ErrNoZone and ErrInvalid.
func (s *Store) Template(name string) (*config.Config, error) {
	names := []string{name}
	rest, old := strings.CutPrefix(name, illumos)
	switch ours, is := strings.CutPrefix(name, "SYS"); {
	case old:
		names = append(names, "SYS"+rest)
	case is && s.inFolder(illumos+ours) && !s.inFolder(name):
		names = []string{illumos + ours}
	}
	if name != "" && name[0] >= 'a' && name[0] <= 'z' {
		names = append(names, "SYS"+name, "OMNI"+name, "SUNW"+name)
	}
	for _, n := range names {
		valid, err := zone.ParseName(n)
		if err != nil {
			break
		}
		c, _, err := s.Load(valid)
		if errors.Is(err, ErrNoZone) {
			c, err = shippedTemplate(n)
		}
		if errors.Is(err, ErrNoZone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c.Zone.Clear(schema.IDBase.Property)
		dropDebugID(c)
		return c, nil
	}
	return nil, &Error{Reason: ErrNoZone}
}

func (s *Store) inFolder(name string) bool {
	found, err := s.exists(zone.Name(name))
	return found && err == nil
}

func shippedTemplate(name string) (*config.Config, error) {
	data, err := shipped.ReadFile("templates/" + name + ".xml")
	if err != nil {
		return nil, &Error{Reason: ErrNoZone}
	}
	return decodeFile(name+".xml", data)
}

// Templates lists what Template knows without a zone's being there: names of
// shipped templates and of those in the configuration folder, in order.
func (s *Store) Templates() []string {
	var names []string
	if list, err := shipped.ReadDir("templates"); err == nil {
		for _, e := range list {
			names = append(names, strings.TrimSuffix(e.Name(), ".xml"))
		}
	}
	for _, name := range s.files() {
		if name.Template() {
			names = append(names, string(name))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// debugID is an attribute of the root element that the schema does not have:
// nobody sets it. It is a small number that every stored zone gets, the last
// field of "zoneadm list -p".
const debugID = "debugid"

// DebugID is the debug id of a stored configuration; 0 when it has none, as
// for the global zone.
func DebugID(c *config.Config) int {
	for _, a := range c.Zone.Extra.Attrs {
		if a.Name == debugID {
			return parseDebugID(a.Value)
		}
	}
	return 0
}

func parseDebugID(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func dropDebugID(c *config.Config) {
	c.Zone.Extra.Attrs = slices.DeleteFunc(c.Zone.Extra.Attrs, func(a config.Attr) bool { return a.Name == debugID })
}

func setDebugID(c *config.Config, id int) {
	dropDebugID(c)
	c.Zone.Extra.Attrs = append(c.Zone.Extra.Attrs, config.Attr{Name: debugID, Value: strconv.Itoa(id)})
}

// lookBack is how many entries are asked for their debug ids. New entries go to
// the end with the next id, so the last one alone would do, were all of them
// made here; this catches what was copied from elsewhere.
const lookBack = 64

// nextDebugID finds a debug id for a new zone. The caller holds the lock.
func (s *Store) nextDebugID(ix *index) int {
	h := &header{store: s}
	highest, asked := 0, 0
	for i := len(ix.lines) - 1; i >= 0 && asked < lookBack; i-- {
		if l := ix.lines[i]; l.err == nil && l.entry.Name != zone.Global {
			asked++
			highest = max(highest, h.read(l.entry.Name).DebugID)
		}
	}
	return highest + 1
}

// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"

	"zones/internal/brand"
	"zones/internal/control"
	"zones/internal/store"
	"zones/internal/zone"
)

// A Row is one zone as list shows it.
type Row struct {
	ID     uint64 // meaningful only when Active
	Active bool   // and its number is known
	Name   zone.Name
	State  zone.State
	Path   string
	UUID   zone.UUID
	Brand  string
	// Exclusive tells whether the zone has a network stack of its own.
	Exclusive bool
	// Debug is the small number that the configuration keeps for life.
	Debug int
}

// A Filter says which zones List gives beside the active ones.
type Filter struct {
	Min      zone.State // the least state of the index that is included
	Inactive bool       // include zones of the index at all
	NoGlobal bool
}

// List gives the zones that the filter includes: the global zone, then the
// active ones in the order of their birth, then those of the index in its
// order. A zone that cannot be read is reported to the Talker and left out.
func (m *Manager) List(f Filter) ([]Row, error) {
	if m.Inside() {
		row, err := m.ownRow()
		return []Row{row}, err
	}
	known, err := m.known(f)
	if err != nil {
		return nil, subject("failed to get zone list", reason(err))
	}
	active, err := m.active(known)
	if err != nil {
		return nil, subject("failed to get zoneid list", err)
	}
	var rows []Row
	if !f.NoGlobal {
		rows = append(rows, globalRow(known))
	}
	byName := make(map[zone.Name]*store.Summary, len(active))
	for i := range known {
		s := &known[i]
		if _, ok := active[s.Name]; !ok {
			continue
		}
		// Of these the configuration is needed in any case.
		if !f.Inactive {
			if full, err := m.Store.Summary(s.Name); err == nil {
				*s = full
			}
		}
		byName[s.Name] = s
	}
	for _, a := range inOrder(active) {
		rows = append(rows, a.row(byName[a.record.Name]))
	}
	if !f.Inactive {
		return rows, nil
	}
	for i := range known {
		s := &known[i]
		if _, ok := active[s.Name]; ok || s.Name == zone.Global || s.State < f.Min {
			continue
		}
		if row, err := m.settled(s); err == nil {
			rows = append(rows, row)
		} else if !errors.Is(err, errGone) {
			m.Talk.Subject(string(s.Name)+": could not get brand name", err)
		}
	}
	return rows, nil
}

// errGone says that a zone has been deleted since the index was read: it is not
// missed.
var errGone = errors.New("the zone has been deleted")

// settled is the row of a zone. One that may have been deleted since the index
// was read, and made anew, is looked at again.
func (m *Manager) settled(s *store.Summary) (Row, error) {
	const attempts = 5
	for range attempts {
		row, err := summaryRow(s)
		if err == nil || !errors.Is(s.Err, store.ErrNoZone) {
			return row, err
		}
		now, err := m.Store.Summary(s.Name)
		if errors.Is(err, store.ErrNoZone) {
			return Row{}, errGone
		}
		s = &now
	}
	return summaryRow(s)
}

// known reads the index, and of the configurations no more than is needed.
func (m *Manager) known(f Filter) ([]store.Summary, error) {
	if f.Inactive {
		return m.Store.Summaries()
	}
	entries, err := m.Store.Index()
	if err != nil {
		return nil, err
	}
	known := make([]store.Summary, len(entries))
	for i, e := range entries {
		known[i].Entry = e
	}
	return known, nil
}

// Row gives one zone, whatever its state.
func (m *Manager) Row(name zone.Name) (Row, error) {
	switch {
	case m.Inside():
		return m.ownRow()
	case name == zone.Global:
		known, err := m.known(Filter{})
		if err != nil {
			return Row{}, named("could not get state", reason(err))
		}
		return globalRow(known), nil
	}
	s, err := m.Store.Summary(name)
	if m.Store.Root() == "" {
		if record, state, err := control.Status(name); err == nil {
			return activeZone{record, state}.row(&s), nil
		}
	}
	if err != nil {
		return Row{}, named("could not get state", reason(err))
	}
	row, err := summaryRow(&s)
	if err != nil {
		return row, named("could not get brand name", err)
	}
	return row, nil
}

// TellDamage says which lines of the index are passed over because they are no
// entries, and reports whether there are any. They are left as they are.
func (m *Manager) TellDamage() bool {
	if m.Inside() {
		return false
	}
	problems, err := m.Store.IndexProblems()
	if err != nil {
		return false // whoever needs the index says that it cannot be read
	}
	for _, p := range problems {
		m.Talk.Plain(p.Detail())
	}
	return len(problems) > 0
}

func globalRow(known []store.Summary) Row {
	row := Row{Active: true, Name: zone.Global, State: zone.Running, Path: "/", Brand: brand.Default}
	for i := range known {
		if known[i].Name == zone.Global {
			row.UUID = known[i].UUID
		}
	}
	return row
}

// row shows an active zone with what was booted; s may be nil.
func (a activeZone) row(s *store.Summary) Row {
	row := Row{
		ID: a.record.ID, Active: a.record.ID != 0, Name: a.record.Name, State: a.state, Path: a.record.Zonepath,
		Brand: a.record.Brand, Exclusive: a.record.IPType == exclusive,
	}
	if s != nil {
		row.UUID, row.Debug = s.UUID, s.DebugID
		if s.Path != "" {
			row.Path = s.Path
		}
		if row.Brand == "" {
			// The record is damaged or lost.
			row.Brand, row.Exclusive = s.Brand, s.IPType == exclusive
		}
	}
	return row
}

func summaryRow(s *store.Summary) (Row, error) {
	if s.Err != nil {
		return Row{}, reason(s.Err)
	}
	return Row{
		Name: s.Name, State: s.State, Path: s.Path, UUID: s.UUID, Debug: s.DebugID,
		Brand: s.Brand, Exclusive: s.IPType == exclusive,
	}, nil
}

// exclusive is what a record calls a zone with a network stack of its own.
const exclusive = "exclusive"

// activeZone is a zone that the kernel holds something of.
type activeZone struct {
	record *control.Record
	state  zone.State
}

// active finds the active zones of this system; an alternate root has none.
func (m *Manager) active(known []store.Summary) (map[zone.Name]activeZone, error) {
	found := map[zone.Name]activeZone{}
	if m.Store.Root() != "" {
		return found, nil
	}
	names, err := control.Active()
	if err != nil {
		// Only root may list the folder; the names of the index can be tried.
		names = names[:0]
		for i := range known {
			names = append(names, known[i].Name)
		}
	}
	for _, name := range names {
		record, state, err := control.Status(name)
		switch {
		case err == nil:
			found[name] = activeZone{record, state}
		case !errors.Is(err, control.ErrNotActive) && !errors.Is(err, fs.ErrPermission):
			return nil, err
		}
	}
	return found, nil
}

func inOrder(active map[zone.Name]activeZone) []activeZone {
	all := make([]activeZone, 0, len(active))
	for _, a := range active {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b activeZone) int {
		return cmp.Or(cmp.Compare(a.record.ID, b.record.ID), cmp.Compare(a.record.Name, b.record.Name))
	})
	return all
}

// SPDX-License-Identifier: Apache-2.0

// Package lifecycle carries out zoneadm's verbs: it installs, clones, moves,
// detaches, attaches and removes zones, and asks a zone's supervisor to boot
// and halt it. It knows no command line and writes nothing; what is to be said
// while a verb works goes to a Talker, and what made it fail comes back as an
// error that knows its form.
package lifecycle

import (
	"errors"
	"io"
	"os"
	"strings"

	"zones/internal/control"
	"zones/internal/store"
	"zones/internal/zone"
)

// A Talker hears what a verb has to say while it works, in the forms of
// [Form], and Print what belongs on standard output.
type Talker interface {
	About(text string)
	Subject(x string, reason error)
	Named(text string, reason error)
	Relay(text string)
	Plain(text string)
	Bare(text string)
	Print(text string)
}

// A Manager carries out verbs on the zones of one root.
type Manager struct {
	Store *store.Store
	Talk  Talker
	// Distrust says that the verb is another user's, whom an admin resource
	// lets do it: his words are not for a shell, nor others' snapshots for him.
	Distrust bool
	// Args are what follows the subcommand, for the brand's verification, and
	// Words those of them that are for the brand's command alone.
	Args, Words []string
	// Streams are those of the commands of brands; the zero value is none.
	Streams Streams
	// Hold leaves the signals that would end a verb to such a command until
	// release; nil where nothing ends it.
	Hold func() (release func())

	locked  bool             // this process holds the zone's lock
	shared  *os.File         // that lock, for programs; nil when an ancestor has it
	inside  zone.Name        // the zone this process runs in, "" for the host
	standby *control.Standby // started by Expect, if it was
}

// Streams are the standard streams of a program.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// New manages the zones of a store.
func New(s *store.Store, talk Talker) *Manager {
	return &Manager{Store: s, Talk: talk, inside: ownZone()}
}

// Inside reports whether this process runs in a zone.
func (m *Manager) Inside() bool { return m.inside != "" }

// ByUUID finds the zone of a UUID in the index.
func (m *Manager) ByUUID(u zone.UUID) (zone.Name, error) {
	entry, err := m.Store.LookupUUID(u)
	return entry.Name, err
}

// Exists reports whether a zone can be selected: it is active, or has a valid
// configuration. The number of an active zone counts as well.
func (m *Manager) Exists(name zone.Name) bool {
	if name == zone.Global || m.Inside() {
		return !m.Inside() || name == m.inside
	}
	// The name goes into the names of files.
	if _, err := zone.ParseName(string(name)); err != nil {
		return false
	}
	if m.Store.Root() == "" {
		if _, _, err := control.Status(name); err == nil {
			return true
		}
	}
	if _, _, err := m.Store.Load(name); err == nil {
		return true
	}
	return m.activeID(string(name))
}

// State is the state of a zone: what the kernel says of an active one, else
// what the index does.
func (m *Manager) State(name zone.Name) (zone.State, error) {
	if name == zone.Global {
		return zone.Running, nil
	}
	if m.Store.Root() == "" {
		_, state, err := control.Status(name)
		if err == nil {
			return state, nil
		}
		if !errors.Is(err, control.ErrNotActive) {
			return 0, err
		}
	}
	entry, err := m.Store.Lookup(name)
	return entry.State, err
}

// reason is the library's wording of an error, without the name it concerns.
func reason(err error) error { return errors.New(strings.TrimSpace(store.Reason(err))) }

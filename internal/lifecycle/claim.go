// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"zones/internal/store"
	"zones/internal/zone"
)

// placeLock is the name of the lock under which zones take their places. Like
// idLock it is no name a zone can have in earnest.
const placeLock zone.Name = "SUNWplaces"

// claim has take write down that a zone has a place, if no other has come to
// have it since that was verified, or moves there or has yet to clear away what
// it left there.
func (m *Manager) claim(ctx context.Context, name zone.Name, path string, take func() error) error {
	return m.placing(ctx, func() error { return m.take(name, path, take) })
}

// placing has do deal with places when no other command does: with who has
// them, or with the datasets above them.
func (m *Manager) placing(ctx context.Context, do func() error) error {
	lock, err := m.Store.LockAll(ctx, placeLock)
	if err != nil {
		return named("could not get zone path", reason(err))
	}
	defer lock.Unlock()
	return do()
}

func (m *Manager) take(name zone.Name, path string, take func() error) error {
	entries, err := m.Store.Index()
	if err != nil {
		return named("could not get zone path", reason(err))
	}
	places := map[zone.Name][]string{}
	for _, e := range entries {
		if e.State != zone.Configured && e.Path != "" {
			places[e.Name] = append(places[e.Name], e.Path)
		}
	}
	notes, _ := filepath.Glob(m.journalFile("*"))
	for _, file := range notes {
		other := zone.Name(strings.TrimSuffix(filepath.Base(file), store.MoveNote))
		if j, err := m.readJournal(other); err == nil && j != nil {
			places[other] = append(places[other], j.From, j.To)
		}
	}
	for other, paths := range places {
		for _, p := range paths {
			if other != name && other != zone.Global && (within(path, p) || within(p, path)) {
				return bare("%s zonepath (%s) and %s zonepath (%s) overlap.", name, path, other, p)
			}
		}
	}
	return take()
}

// begun marks a zone that begins to fill its place.
func (m *Manager) begun(ctx context.Context, z *subjectZone) error {
	return m.claimOwn(ctx, z, func() error { return m.setState(z.name, zone.Incomplete) })
}

// claimOwn is claim for the place that the zone had when it was read. Until it is
// more than configured zonecfg may give it another.
func (m *Manager) claimOwn(ctx context.Context, z *subjectZone, take func() error) error {
	return m.claim(ctx, z.name, z.path(), func() error {
		now, err := m.Store.Lookup(z.name)
		if err != nil {
			return named("could not get zone path", reason(err))
		}
		if err := sameZonepath(z.name, z.path(), now.Path); err != nil {
			return err
		}
		return take()
	})
}

func sameZonepath(name zone.Name, configured, indexed string) error {
	if configured != indexed {
		return bare("zonepath %s of the configuration of zone %s and %s of the index differ.", configured, name, indexed)
	}
	return nil
}

// makePlace makes the zonepath of a zone that has begun, if it is missing. It
// comes after the mark, so that a folder that nobody fills is not left over; a
// zone that gets none has not begun.
func (m *Manager) makePlace(z *subjectZone) error {
	err := makeZonepath(z.path())
	if err != nil {
		err = errors.Join(err, m.setState(z.name, zone.Configured))
	}
	return err
}

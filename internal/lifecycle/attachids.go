// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"zones/internal/schema"
	"zones/internal/store"
	"zones/internal/zfs"
	"zones/internal/zone"
)

// attachIDs gives an attached zone its range of ids. If another zone of this
// host has its range, it gets a new one, and what its datasets have of the old
// one is changed. That is written down first, so that it is completed when it
// was cut off.
func (m *Manager) attachIDs(ctx context.Context, z *subjectZone) error {
	s, err := m.readShift(z.name)
	if err != nil {
		return err
	}
	if s == nil {
		if s, err = m.takenRange(ctx, z); err != nil {
			return err
		}
	}
	if s == nil {
		return m.giveIDs(ctx, z)
	}
	if s.To == 0 {
		cfg, gen, err := m.Store.Load(z.name)
		if err != nil {
			return subject(string(z.name), reason(err))
		}
		if err := m.writeShift(z.name, s); err != nil {
			return err
		}
		cfg.Zone.Clear(schema.IDBase.Property)
		if _, err := m.Store.Save(cfg, gen); err != nil {
			return named("could not choose a range of ids", reason(err))
		}
	}
	// What is changed already must not look as if it were still to be changed.
	if err := m.giveIDs(ctx, z, idRange{s.From, s.Size}); err != nil {
		return err
	}
	now, _ := rangeOf(z.cfg)
	s.To = now.base
	if err := m.writeShift(z.name, s); err != nil {
		return err
	}
	if s.plain() {
		m.Talk.Print(fmt.Sprintf("The datasets have ids from 0; changing to those from %d.", s.To))
	} else {
		m.Talk.Print(fmt.Sprintf("The ids from %d are those of another zone; changing to those from %d.", s.From, s.To))
	}
	if err := m.remap(ctx, z, *s); err != nil {
		return aboutf("%v", err)
	}
	return os.Remove(m.shiftFile(z.name))
}

// plainIDs is the shift that a zone needs that never had a range but has used
// its datasets, on illumos, where ids are the same everywhere; nil when none
// was a zone's.
func (m *Manager) plainIDs(ctx context.Context, z *subjectZone) (*shift, error) {
	size, _ := schema.IDSize.Of(z.cfg)
	for _, res := range z.cfg.All(schema.DatasetResource) {
		used, err := usedByZone(ctx, res.Text(schema.DatasetName.Property))
		if err != nil {
			return nil, err
		}
		if used {
			return &shift{Size: size}, nil
		}
	}
	return nil, nil
}

// usedByZone reports whether a dataset has been delegated before: that stays
// on it for ever.
func usedByZone(ctx context.Context, dataset string) (bool, error) {
	got, err := zfs.Get(ctx, dataset, "zoned")
	if err != nil {
		return false, subject(dataset, err)
	}
	return got["zoned"].Value == "on" && got["zoned"].Local(), nil
}

// takenRange is the shift that a zone needs whose range another zone has; nil
// when none does. Where to is not known yet.
func (m *Manager) takenRange(ctx context.Context, z *subjectZone) (*shift, error) {
	own, ok := rangeOf(z.cfg)
	if !ok {
		return m.plainIDs(ctx, z)
	}
	taken, err := m.takenIDs(z.name)
	if err != nil {
		return nil, err
	}
	for _, r := range taken {
		if own.overlaps(r) {
			return &shift{From: own.base, Size: own.size}, nil
		}
	}
	return nil, nil
}

func (m *Manager) shiftFile(name zone.Name) string {
	return filepath.Join(m.Store.ConfigDir(), string(name)+store.IDsNote)
}

func (m *Manager) readShift(name zone.Name) (*shift, error) {
	data, err := os.ReadFile(m.shiftFile(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s := &shift{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("read %s: %w", m.shiftFile(name), err)
	}
	return s, nil
}

func (m *Manager) writeShift(name zone.Name, s *shift) error {
	return writeNote(m.shiftFile(name), s)
}

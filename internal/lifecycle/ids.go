// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/store"
	"zones/internal/zone"
)

// An idRange is a run of user and group ids of the host that stand for a
// zone's ids from 0.
type idRange struct{ base, size uint64 }

func (r idRange) end() uint64 { return r.base + r.size }

func (r idRange) overlaps(o idRange) bool { return r.base < o.end() && o.base < r.end() }

// builtin is where ranges come from when root has none in /etc/subuid and
// /etc/subgid: above what systemd gives to its own containers.
var builtin = idRange{0x70000000, 0xfffe0000 - 0x70000000}

// idUnit is what ranges are aligned to.
const idUnit = 65536

var errNoIDs = errors.New("no range of ids is left: give root more in /etc/subuid and /etc/subgid")

// giveIDs gives the zone a range of ids unless it has one, and stores it in its
// configuration. The range is the zone's for life, because the delegated
// datasets carry these ids on disk. A range that overlaps with another zone's
// is refused, and a new one has none of the ids in avoid.
func (m *Manager) giveIDs(ctx context.Context, z *subjectZone, avoid ...idRange) error {
	lock, err := m.Store.LockAll(ctx, idLock)
	if err != nil {
		return fmt.Errorf("choose a range of ids: %w", err)
	}
	defer lock.Unlock()
	cfg, gen, err := m.Store.Load(z.name)
	if err != nil {
		return named("could not choose a range of ids", reason(err))
	}
	taken, err := m.takenIDs(z.name)
	if err != nil {
		return fmt.Errorf("choose a range of ids: %w", err)
	}
	if own, ok := rangeOf(cfg); ok {
		for other, r := range taken {
			if own.overlaps(r) {
				return aboutf("its ids from %d are those of zone %s: clear or set %s.", own.base, other, schema.IDBase.Name)
			}
		}
		z.cfg = cfg
		return nil
	}
	size, _ := schema.IDSize.Of(cfg)
	free, err := freeIDs(size, append(avoid, slices.Collect(maps.Values(taken))...))
	if err != nil {
		return named("could not choose a range of ids", err)
	}
	cfg.Zone.SetText(schema.IDBase.Property, strconv.FormatUint(free.base, 10))
	if _, err := m.Store.Save(cfg, gen); err != nil {
		return named("could not choose a range of ids", reason(err))
	}
	z.cfg = cfg
	return nil
}

// idLock is the name of the lock under which ranges are chosen. It is no name
// a zone can have in earnest.
const idLock zone.Name = "SUNWids"

// rangeOf is the range that a configuration has.
func rangeOf(cfg *config.Config) (idRange, bool) {
	base, ok := schema.IDBase.Of(cfg)
	size, _ := schema.IDSize.Of(cfg)
	return idRange{base, size}, ok
}

// takenIDs are the ranges of all other zones.
func (m *Manager) takenIDs(name zone.Name) (map[zone.Name]idRange, error) {
	zones, err := m.Store.Summaries()
	if err != nil {
		return nil, err
	}
	taken := map[zone.Name]idRange{}
	for _, z := range zones {
		switch {
		case z.Name == name || z.Name == zone.Global || errors.Is(z.Err, store.ErrNoZone):
		case z.Err != nil:
			// One zone's file is no reason to install no other: no two that have
			// ids in common are booted.
			m.Talk.Bare(fmt.Sprintf("WARNING: the ids of zone %s are not known: %v.", z.Name, z.Err))
		case z.IDBase != 0:
			taken[z.Name] = idRange{z.IDBase, z.IDSize}
		}
	}
	return taken, nil
}

// freeIDs finds the first aligned range of a size that no zone has, in root's
// own ranges or else in the built-in one.
func freeIDs(size uint64, taken []idRange) (idRange, error) {
	mine, others := subIDs()
	taken = append(taken, others...)
	if len(mine) == 0 {
		mine = []idRange{builtin}
	}
	for _, r := range mine {
		for base := align(r.base); base+size <= r.end(); {
			try := idRange{base, size}
			next := uint64(0)
			for _, t := range taken {
				if try.overlaps(t) {
					next = max(next, align(t.end()))
				}
			}
			if next == 0 {
				return try, nil
			}
			base = next
		}
	}
	return idRange{}, errNoIDs
}

func align(n uint64) uint64 { return (n + idUnit - 1) / idUnit * idUnit }

// subIDs reads root's ranges, as far as they are user and group ids alike, and
// those of everybody else.
func subIDs() (root, others []idRange) {
	users, foreign := readSubIDs("/etc/subuid")
	groups, foreignGroups := readSubIDs("/etc/subgid")
	for _, u := range users {
		for _, g := range groups {
			if u.overlaps(g) {
				base := max(u.base, g.base)
				root = append(root, idRange{base, min(u.end(), g.end()) - base})
			}
		}
	}
	return root, append(foreign, foreignGroups...)
}

func readSubIDs(path string) (root, others []idRange) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil
	}
	defer f.Close()
	for scan := bufio.NewScanner(f); scan.Scan(); {
		fields := strings.Split(scan.Text(), ":")
		if len(fields) != 3 {
			continue
		}
		base, err1 := strconv.ParseUint(fields[1], 10, 32)
		size, err2 := strconv.ParseUint(fields[2], 10, 32)
		if err1 != nil || err2 != nil || size == 0 {
			continue
		}
		if fields[0] == "root" || fields[0] == "0" {
			root = append(root, idRange{base, size})
		} else {
			others = append(others, idRange{base, size})
		}
	}
	return root, others
}

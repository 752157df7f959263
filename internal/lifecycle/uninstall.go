// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"strings"

	"zones/internal/brand"
	"zones/internal/control"
	"zones/internal/zfs"
	"zones/internal/zone"
)

// Uninstall removes what was installed. The configuration stays, and so do
// delegated datasets and what fs resources name. Nothing goes unless agreed
// says so.
func (m *Manager) Uninstall(ctx context.Context, name zone.Name, agreed func(context.Context) (bool, error)) error {
	if err := m.mend(ctx, name); err != nil {
		return err
	}
	if err := m.VerifyHook(ctx, name, zone.Uninstall); err != nil {
		return err
	}
	if yes, err := agreed(ctx); err != nil || !yes {
		return err
	}
	m.noteUninstall(ctx, name)
	z, unlock, err := m.begin(ctx, name, zone.Uninstall)
	if err != nil {
		return err
	}
	defer unlock()
	return walk(ctx, zone.Uninstall, []step{
		{"mounts", func(ctx context.Context) error { return m.removable(ctx, name, z.entry.Path) }},
		{"before", func(ctx context.Context) error {
			_, err := m.hook(ctx, z, brand.PreUninstall, m.Words...)
			return err
		}},
		{"incomplete", func(context.Context) error { return m.markState(name, zone.Incomplete) }},
		{"remove", func(ctx context.Context) error {
			if ran, err := m.hook(ctx, z, brand.Uninstall, m.Words...); ran || err != nil {
				return err
			}
			if err := m.removeZonepath(ctx, name, z.entry.Path); err != nil {
				return &Failure{Form: Named, Text: "cleaning up zonepath failed", Err: err, Status: removalStatus(err)}
			}
			return nil
		}},
		{"snapshots", func(ctx context.Context) error { return m.dropUnused(ctx, name, z.entry.Path) }},
		{"configured", func(context.Context) error {
			if _, err := m.Store.SetState(name, zone.Configured); err != nil {
				return &Failure{Form: Named, Text: "could not reset state", Err: reason(err), Status: stateStatus(err)}
			}
			return nil
		}},
	})
}

// dropUnused destroys snapshots that were made to clone this zone from when no
// clone came of them, what was received for it and is mounted nowhere, and the
// datasets above a zonepath that never became one.
func (m *Manager) dropUnused(ctx context.Context, name zone.Name, path string) error {
	if zfs.Available() != nil {
		return nil
	}
	made, err := zfs.With(ctx, forProp, string(name))
	if err != nil {
		return nil // a pool that is gone is no reason to keep the zone
	}
	for _, s := range made {
		if !strings.Contains(s.Name, "@") {
			got, err := zfs.Get(ctx, s.Name, "mounted", "mountpoint")
			point := got["mountpoint"].Value
			if err == nil && got["mounted"].Value == "no" && (point == path || point == "legacy") {
				_ = dropReceived(ctx, s.Name, string(name))
			}
			continue
		}
		// A copy of such a snapshot, on a backup, has the property as well.
		got, err := zfs.Get(ctx, s.Name, forProp)
		if err == nil && got[forProp].Local() && len(s.Clones) == 0 {
			_ = zfs.Destroy(ctx, s.Name)
		}
	}
	if h, ok := homeOf(ctx, path); ok && !zfs.Exists(ctx, h.dataset) {
		m.dropAbove(ctx, h.dataset)
	}
	return ctx.Err()
}

// noteUninstall has a supervisor that still serves the console's user say good
// bye and end. None is started for it.
func (m *Manager) noteUninstall(ctx context.Context, name zone.Name) {
	conn, err := control.Dial(ctx, name)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.Do(ctx, control.OpUninstall, "", nil)
}

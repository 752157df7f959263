// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"fmt"
	"path/filepath"

	"zones/internal/control"
	"zones/internal/zone"
)

// Uninstall removes what was installed. The configuration stays, and so do
// delegated datasets and what fs resources name.
func (m *Manager) Uninstall(ctx context.Context, name zone.Name) error {
	m.noteUninstall(ctx, name)
	unlock, err := m.lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	z, err := m.load(name)
	if err != nil {
		return err
	}
	if err := zone.Uninstall.Check(name, z.state); err != nil {
		return err
	}
	return walk(ctx, zone.Uninstall, []step{
		{"mounts", func(context.Context) error { return m.refuseMounts(filepath.Join(z.entry.Path, rootName)) }},
		{"incomplete", func(context.Context) error { return m.setState(name, zone.Incomplete) }},
		{"remove", func(ctx context.Context) error {
			if err := m.removeZonepath(ctx, z.entry.Path); err != nil {
				return named("cleaning up zonepath failed", err)
			}
			return nil
		}},
		{"configured", func(context.Context) error {
			if _, err := m.Store.SetState(name, zone.Configured); err != nil {
				return &Failure{Form: Named, Text: "could not reset state", Err: Reason(err), Status: stateStatus(err)}
			}
			return nil
		}},
	})
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

// refuseMounts fails when something is mounted below dir.
func (m *Manager) refuseMounts(dir string) error {
	below, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	if len(below) == 0 {
		return nil
	}
	m.Talk.About(fmt.Sprintf("These file systems are mounted on subdirectories of %s.\n", dir))
	for _, path := range below {
		m.Talk.About(fmt.Sprintf("  %s\n", path))
	}
	return errSaid
}

// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"

	"zones/internal/zone"
)

// Mark sets the state of the index by force.
func (m *Manager) Mark(ctx context.Context, name zone.Name, state zone.State) error {
	if err := m.mend(ctx, name); err != nil {
		return err
	}
	if err := m.VerifyHook(ctx, name, zone.Mark); err != nil {
		return err
	}
	unlock, err := m.lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	// It may have been booted while the lock was waited for.
	now, err := m.State(name)
	if err != nil {
		return named("could not get state", reason(err))
	}
	if err := zone.Mark.Check(name, now); err != nil {
		return err
	}
	if state == zone.Installed && m.Store.Root() == "" {
		z, err := m.load(name)
		if err == nil {
			err = m.giveIDs(ctx, z) // no other verb would before it boots
		}
		if err != nil {
			return err
		}
	}
	return m.markState(name, state)
}

// markState is setState with the exit status that programs know of mark and
// uninstall.
func (m *Manager) markState(name zone.Name, state zone.State) error {
	if _, err := m.Store.SetState(name, state); err != nil {
		return &Failure{Form: Named, Text: "could not set state", Err: reason(err), Status: stateStatus(err)}
	}
	return nil
}

func (m *Manager) setState(name zone.Name, state zone.State) error {
	if _, err := m.Store.SetState(name, state); err != nil {
		return named("could not set state", reason(err))
	}
	return nil
}

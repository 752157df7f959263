// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"zones/internal/zfs"
)

// answering fails when one of these paths, below the manager's root, is on a
// pool that is suspended: to look at it would be to wait, unkillable, until the
// pool goes on.
func (m *Manager) answering(paths ...string) error {
	for _, path := range paths {
		if path == "" {
			continue
		}
		if err := zfs.AnsweringAt(m.Store.Root() + path); err != nil {
			return aboutf("cannot use %s: %v", path, err)
		}
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package lifecycle

import "zones/internal/zone"

// Administers reports whether any zone's configuration gives an account an
// authorization.
func (m *Manager) Administers(user string) bool {
	entries, err := m.Store.Index()
	if err != nil {
		return false
	}
	for _, e := range entries {
		if m.Authorized(e.Name, user, "") {
			return true
		}
	}
	return false
}

// Authorized reports whether the configuration of a zone gives an account an
// authorization, or with an empty one whether it gives any.
func (m *Manager) Authorized(name zone.Name, user, auth string) bool {
	cfg, _, err := m.Store.Load(name)
	return err == nil && cfg.Authorizes(user, auth)
}

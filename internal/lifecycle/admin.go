// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"slices"

	"zones/internal/schema"
	"zones/internal/zone"
)

// Administers reports whether any zone's configuration gives an account an
// authorization.
func (m *Manager) Administers(user string) bool {
	entries, err := m.Store.Index()
	if err != nil {
		return false
	}
	for _, e := range entries {
		cfg, _, err := m.Store.Load(e.Name)
		if err != nil {
			continue
		}
		for _, res := range cfg.All(schema.AdminResource) {
			if res.Text(schema.AdminUser.Property) == user {
				return true
			}
		}
	}
	return false
}

// Authorized reports whether the configuration of a zone gives an account an
// authorization.
func (m *Manager) Authorized(name zone.Name, user, auth string) bool {
	cfg, _, err := m.Store.Load(name)
	if err != nil {
		return false
	}
	for _, res := range cfg.All(schema.AdminResource) {
		auths, ok := schema.AdminAuths.Of(res)
		if ok && res.Text(schema.AdminUser.Property) == user && slices.Contains(auths, auth) {
			return true
		}
	}
	return false
}

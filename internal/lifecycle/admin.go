// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"slices"

	"zones/internal/schema"
	"zones/internal/zone"
)

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

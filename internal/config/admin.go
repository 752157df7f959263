// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"

	"zones/internal/schema"
)

// Authorizes reports whether the configuration gives an account an
// authorization, or with an empty one whether it gives any.
func (c *Config) Authorizes(user, auth string) bool {
	for _, res := range c.All(schema.AdminResource) {
		auths, ok := schema.AdminAuths.Of(res)
		if ok && res.Text(schema.AdminUser.Property) == user && (auth == "" || slices.Contains(auths, auth)) {
			return true
		}
	}
	return false
}

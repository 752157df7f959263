// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"

	"zones/internal/schema"
)

// Authorizes reports whether the configuration gives an account an
// authorization.
func (c *Config) Authorizes(user, auth string) bool {
	for _, res := range c.All(schema.AdminResource) {
		auths, ok := schema.AdminAuths.Of(res)
		if ok && res.Text(schema.AdminUser.Property) == user && slices.Contains(auths, auth) {
			return true
		}
	}
	return false
}

// Administrators are the accounts that the configuration gives any authorization.
func (c *Config) Administrators() []string {
	var users []string
	for _, res := range c.All(schema.AdminResource) {
		if _, ok := schema.AdminAuths.Of(res); ok {
			users = append(users, res.Text(schema.AdminUser.Property))
		}
	}
	return users
}

// SPDX-License-Identifier: Apache-2.0

package schema

import "strings"

// Administrators of the zone.
var (
	AdminUser  = required("user", text, "The account.", limit(31), from(Users), at(AtEnd), matches)
	AdminAuths = required("auths", authorizations, "What the account may do, with commas between.", at(AtEnd), ignored)
)

// AdminResource gives an account rights over the zone.
var AdminResource = resource(Resource{
	Name: "admin", Element: "admin", Host: true,
	Help: "An account of the host that may administer the zone.",
}, AdminUser, AdminUser, AdminAuths)

// Authorizations are all that an admin may be given.
var Authorizations = []string{"login", "manage", "clonefrom"}

// AuthError is an authorization that does not exist.
type AuthError struct{ Auth string }

func (e *AuthError) Error() string { return "'" + e.Auth + "' is not a valid authorization" }

var authorizations = Kind[[]string]{
	Meta: "AUTHS", Allowed: strings.Join(Authorizations, ", ") + ", or several with commas between them",
	Max: 1023, Values: Authorizations,
	parse: func(s string) ([]string, error) {
		auths := strings.Split(s, ",")
		for _, a := range auths {
			if a != "login" && a != "manage" && a != "clonefrom" {
				return nil, &AuthError{a}
			}
		}
		return auths, nil
	},
	sample: pick("login", "login,manage", "manage,clonefrom"),
}

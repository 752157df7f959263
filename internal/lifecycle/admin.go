// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"os"
	"sync"
	"time"

	"zones/internal/zone"
)

// Authorized reports whether the configuration of a zone gives an account an
// authorization.
func (m *Manager) Authorized(name zone.Name, user, auth string) bool {
	cfg, _, err := m.Store.Load(name)
	return err == nil && cfg.Authorizes(user, auth)
}

// A Roster knows the accounts that have an authorization over any zone. To find
// out takes a look at all configurations, and everybody may ask: it looks again
// when they may have changed, and spends a small part of the time on it.
type Roster struct {
	mu      sync.Mutex
	users   map[string]bool
	changed time.Time // the folder of configurations, when it was looked at
	until   time.Time // how long it is believed in that the folder tells changes
}

// rosterRest is how much longer a roster rests than it took to make.
const rosterRest = 10

// Has reports whether an account is in the roster.
func (r *Roster) Has(m *Manager, user string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	begun := time.Now()
	info, err := os.Stat(m.Store.ConfigDir())
	if err != nil {
		return false
	}
	if begun.Before(r.until) && info.ModTime().Equal(r.changed) {
		return r.users[user]
	}
	r.users, r.changed = m.administrators(), info.ModTime()
	r.until = time.Now().Add(rosterRest * time.Since(begun))
	return r.users[user]
}

func (m *Manager) administrators() map[string]bool {
	users := map[string]bool{}
	entries, err := m.Store.Index()
	if err != nil {
		return users
	}
	for _, e := range entries {
		if cfg, _, err := m.Store.Load(e.Name); err == nil {
			for _, user := range cfg.Administrators() {
				users[user] = true
			}
		}
	}
	return users
}

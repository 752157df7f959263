// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"errors"
	"fmt"

	"zones/internal/schema"
	"zones/internal/store"
	"zones/internal/zone"
)

// Apply puts the resource controls of the global zone into force. The host's
// own processes are limited by the system's service manager here, so controls
// that are configured are named rather than passed over.
func (m *Manager) Apply() error {
	cfg, _, err := m.Store.Load(zone.Global)
	if errors.Is(err, store.ErrNoZone) {
		return nil
	}
	if err != nil {
		return subject(string(zone.Global), reason(err))
	}
	var failed error
	for _, t := range []*schema.Resource{schema.RctlResource, schema.CappedMemoryResource, schema.DedicatedCPUResource} {
		for range cfg.All(t) {
			m.Talk.About(fmt.Sprintf("%s of the global zone has no effect here: limit system.slice and user.slice "+
				"with systemctl set-property instead", t.Name))
			failed = errSaid
		}
	}
	return failed
}

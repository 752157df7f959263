// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"

	"zones/internal/control"
	"zones/internal/delegns"
	"zones/internal/store"
	"zones/internal/zone"
)

// A target is the zone to be entered.
type target struct {
	name   zone.Name
	state  zone.State
	record *control.Record // nil when nothing of the zone is active
}

// check finds the zone and refuses what cannot be entered, the first reason in
// the order that scripts know.
func (o *options) check() (*target, error) {
	own, ownName, ownErr := delegns.Own()
	inside := ownErr == nil && own != 0
	name, err := zone.ParseName(o.zone)
	if err == nil && name == zone.Global && !inside {
		return nil, errors.New("'zlogin' not applicable to the global zone")
	}
	t := &target{name: name, state: zone.Configured}
	if err == nil {
		err = t.find()
	}
	// A zone may have zones of its own; of others it knows nothing.
	if inside && (err != nil || string(name) == ownName) {
		return nil, errors.New("'zlogin' may only be used from the global zone")
	}
	if err != nil {
		return nil, fmt.Errorf("zone '%s' unknown", o.zone)
	}
	if t.state < zone.Installed {
		return nil, fmt.Errorf("cannot login to a zone which is '%s'", t.state)
	}
	if os.Geteuid() != 0 {
		return nil, errUnprivileged
	}
	if err := o.admit(t); err != nil {
		return nil, err
	}
	if o.mode != console && t.state != zone.Running && t.state != zone.Mounted {
		return nil, fmt.Errorf("login allowed only to running zones (%s is '%s').", t.name, t.state)
	}
	return t, nil
}

// find fills in what the kernel and the index say of the zone.
func (t *target) find() error {
	record, state, err := control.Status(t.name)
	if err == nil {
		t.record, t.state = record, state
		return nil
	}
	if !errors.Is(err, control.ErrNotActive) {
		return err
	}
	entry, err := store.Open("").Lookup(t.name)
	if err != nil {
		return err
	}
	t.state = entry.State
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"zones/internal/cli"
	"zones/internal/lifecycle"
	"zones/internal/zone"
)

// sanity makes the checks that stand before every verb that does something, in
// the order that decides which refusal is seen.
func (e *env) sanity(v zone.Verb) error {
	if e.zones.Inside() {
		switch v {
		case zone.Halt, zone.Shutdown, zone.Reboot:
			return refuse("use %v(8) to %v this zone.", v, v)
		}
		return refuse("must be in the global zone to %v a zone.", v)
	}
	if !cli.Privileged() {
		if err := e.forward(); err != nil {
			return err
		}
		return refuse("only a privileged user may %v a zone.", v)
	}
	if e.zone == "" {
		return refuse("no zone specified")
	}
	if err := e.authorized(v); err != nil {
		return err
	}
	if e.zone == zone.Global {
		return refuse("%v operation is invalid for the global zone.", v)
	}
	if e.zone.SunReserved() {
		return refuse("%v operation is invalid for zones starting with SUNW.", v)
	}
	state, err := e.zones.State(e.zone)
	if err != nil {
		e.zones.TellDamage()
		return &lifecycle.Failure{Form: lifecycle.Named, Text: "could not get state", Err: err}
	}
	err = local(v.Check(e.zone, state))
	ending := state == zone.ShuttingDown || state == zone.Down
	if state.Active() && (err == nil || !ending) {
		return err
	}
	// What a supervisor left that was killed is cleared away first.
	e.zones.Sweep(e.zone)
	if ending {
		if state, again := e.zones.State(e.zone); again == nil {
			err = local(v.Check(e.zone, state))
		}
	}
	// It may be on its way up: whoever does that halts it afterwards.
	if v == zone.Halt && state == zone.Installed && e.zones.Supervised(e.zone) {
		return nil
	}
	return err
}

// local keeps the refusals that are zoneadm's own. Those of an active zone's
// supervisor are left to it, which knows better and may have to be started.
func local(err error) error {
	refused, ok := err.(*zone.StateError)
	if !ok || !refused.Rule.Relayed || !refused.State.Active() {
		return err
	}
	switch refused.Verb {
	case zone.Mount, zone.ForceMount:
		return err
	}
	return nil
}

// here refuses a verb that cannot be carried out in an alternate root. The
// action is what the refusal calls it.
func (e *env) here(action string) error {
	if e.root != "" {
		return refuse("cannot %s zone in alternate root", action)
	}
	return nil
}

func refuse(format string, args ...any) error {
	return lifecycle.About(fmt.Sprintf(format, args...))
}

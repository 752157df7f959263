// SPDX-License-Identifier: Apache-2.0

package zone

import "fmt"

// Verb is one thing that can be asked of a zone. The forms that an option
// turns into another operation (boot -f, attach -U, mount -f) are verbs of
// their own, because other rules hold for them.
type Verb int

// The verbs, in the order in which zoneadm's help lists them; those after Mark
// are private.
const (
	Help Verb = iota
	Boot
	Halt
	ReadyUp
	Shutdown
	Reboot
	List
	Verify
	Install
	Uninstall
	Clone
	Move
	Detach
	Attach
	Mark
	Mount
	Unmount
	Apply
	SysBoot
	ForceBoot
	ForceMount
	AttachUpdate
	verbCount
)

var verbNames = [verbCount]string{
	Help: "help", Boot: "boot", Halt: "halt", ReadyUp: "ready", Shutdown: "shutdown",
	Reboot: "reboot", List: "list", Verify: "verify", Install: "install",
	Uninstall: "uninstall", Clone: "clone", Move: "move", Detach: "detach",
	Attach: "attach", Mark: "mark", Mount: "mount", Unmount: "unmount", Apply: "apply",
	SysBoot: "sysboot", ForceBoot: "boot", ForceMount: "mount", AttachUpdate: "attach",
}

func (v Verb) String() string {
	if v < 0 || v >= verbCount {
		return "unknown"
	}
	return verbNames[v]
}

// Verbs returns every verb in order.
func Verbs() []Verb {
	all := make([]Verb, verbCount)
	for i := range all {
		all[i] = Verb(i)
	}
	return all
}

// relayName is what the supervisor calls the verb in its own refusals.
func (v Verb) relayName() string {
	if v == ForceBoot {
		return "forceboot"
	}
	return v.String()
}

// Calls reports whether a refusal by the supervisor is followed by zoneadm's
// own remark that the call failed.
func (v Verb) Calls() bool {
	switch v {
	case Boot, ForceBoot, ReadyUp, Mount, ForceMount, Unmount:
		return true
	}
	return false
}

// Kind is what a rule makes of a request.
type Kind int

const (
	Act     Kind = iota // carry it out
	Already             // nothing to do: say so and succeed
	Refuse              // say why and fail
)

// Rule is what a verb does to a zone in one state.
type Rule struct {
	Kind Kind
	Next State  // the state after success
	Via  State  // the state while it is under way; equal to Next when there is none
	Text string // the words of Already and Refuse; empty when none are said
	// Relayed marks words that are the supervisor's, not zoneadm's.
	Relayed bool
	// Detail is a line said before Text, by nobody in particular.
	Detail string
}

// cell makes a rule for the verb and state in whose place it stands.
type cell func(Verb, State) Rule

func to(next State) cell {
	return func(Verb, State) Rule { return Rule{Next: next, Via: next} }
}

func via(through, next State) cell {
	return func(Verb, State) Rule { return Rule{Next: next, Via: through} }
}

func same(_ Verb, s State) Rule { return Rule{Next: s, Via: s} }

func already(text string) cell {
	return func(_ Verb, s State) Rule {
		return Rule{Kind: Already, Next: s, Via: s, Text: text, Relayed: true}
	}
}

func refuse(text string) cell {
	return func(_ Verb, s State) Rule { return Rule{Kind: Refuse, Next: s, Via: s, Text: text} }
}

func relay(text string) cell {
	return func(_ Verb, s State) Rule {
		return Rule{Kind: Refuse, Next: s, Via: s, Text: text, Relayed: true}
	}
}

func needs(min State) cell {
	return func(v Verb, s State) Rule {
		return refuse(fmt.Sprintf("must be %v before %v.", min, v))(v, s)
	}
}

func invalid(v Verb, s State) Rule {
	return refuse(fmt.Sprintf("%v operation is invalid for %v zones.", v, s))(v, s)
}

func invalidState(v Verb, s State) Rule {
	return relay(fmt.Sprintf("%s operation is invalid for zones in state '%v'", v.relayName(), s))(v, s)
}

func unmanaged(v Verb, s State) Rule {
	r := relay("could not start zoneadmd")(v, s)
	r.Detail = fmt.Sprintf("cannot manage a zone which is in state '%v'", s)
	return r
}

var (
	notRunning = refuse("not running")
	unfinished = refuse("zone is incomplete; uninstall required.")
	installed  = refuse("is already installed.")
	silent     = relay("")
	booted     = already("zone is already booted")
	readied    = already("zone is already ready")
	halted     = already("zone is already halted")
	// The supervisor that already tears a zone down has no second answer.
	stuck = relay("unable to shutdown zone")
	clear = refuse("is already in state 'configured'.")
)

// rules is the whole of it: one row a verb, one column a state, in the order
// configured, incomplete, installed, ready, running, shutting_down, down,
// mounted.
var rules = [verbCount][8]cell{
	Help: {same, same, same, same, same, same, same, same},
	List: {same, same, same, same, same, same, same, same},

	ReadyUp:   {needs(Installed), needs(Installed), to(Ready), readied, to(Ready), to(Ready), to(Ready), invalidState},
	Boot:      {needs(Installed), needs(Installed), to(Running), to(Running), booted, booted, booted, invalidState},
	ForceBoot: {needs(Incomplete), to(Running), to(Running), silent, silent, silent, silent, invalidState},

	Halt:     {unmanaged, invalidState, halted, to(Installed), to(Installed), to(Installed), to(Installed), invalidState},
	Shutdown: {notRunning, notRunning, notRunning, invalidState, to(Installed), stuck, stuck, invalidState},
	Reboot:   {notRunning, notRunning, notRunning, invalidState, to(Running), to(Running), to(Running), invalidState},

	Verify:    {same, unfinished, same, same, same, same, same, same},
	Install:   {via(Incomplete, Installed), unfinished, installed, invalid, invalid, invalid, invalid, invalid},
	Clone:     {via(Incomplete, Installed), unfinished, installed, invalid, invalid, invalid, invalid, invalid},
	Uninstall: {clear, to(Configured), via(Incomplete, Configured), invalid, invalid, invalid, invalid, invalid},
	Move:      {needs(Installed), needs(Installed), same, invalid, invalid, invalid, invalid, invalid},
	Detach:    {needs(Installed), needs(Installed), to(Configured), invalid, invalid, invalid, invalid, invalid},

	Attach:       {to(Installed), unfinished, installed, invalid, invalid, invalid, invalid, invalid},
	AttachUpdate: {to(Installed), to(Installed), installed, invalid, invalid, invalid, invalid, invalid},

	Mark: {to(Incomplete), to(Incomplete), to(Incomplete), invalid, invalid, invalid, invalid, invalid},

	Mount:      {needs(Installed), needs(Installed), to(Mounted), invalidState, invalidState, invalidState, invalidState, invalidState},
	ForceMount: {needs(Incomplete), to(Mounted), to(Mounted), invalidState, invalidState, invalidState, invalidState, invalidState},
	Unmount:    {needs(Mounted), needs(Mounted), needs(Mounted), needs(Mounted), needs(Mounted), needs(Mounted), needs(Mounted), to(Installed)},
	SysBoot:    {invalid, invalid, same, invalid, invalid, invalid, invalid, invalid},
	// apply is for the global zone alone, whose state is always running.
	Apply: {invalid, invalid, invalid, invalid, same, invalid, invalid, invalid},
}

// In returns the rule for the verb in a state. A state that is not one of the
// known ones is refused.
func (v Verb) In(s State) Rule {
	if v < 0 || v >= verbCount || s < 0 || int(s) >= len(rules[v]) {
		return Rule{Kind: Refuse, Next: s, Via: s,
			Text: fmt.Sprintf("%v operation is invalid for %v zones.", v, s)}
	}
	return rules[v][s](v, s)
}

// Check returns nil when the verb may be carried out on the named zone in
// state s, else a *StateError.
func (v Verb) Check(name Name, s State) error {
	r := v.In(s)
	if r.Kind == Act {
		return nil
	}
	return &StateError{Zone: name, Verb: v, State: s, Rule: r}
}

// StateError is a verb that met a state in which it has nothing to do
// (Rule.Kind is Already) or may not be carried out (Refuse).
type StateError struct {
	Zone  Name
	Verb  Verb
	State State
	Rule  Rule
}

func (e *StateError) Error() string {
	if e.Rule.Text == "" {
		return fmt.Sprintf("%v zone '%s' in state '%v': refused", e.Verb, e.Zone, e.State)
	}
	return fmt.Sprintf("zone '%s': %s", e.Zone, e.Rule.Text)
}

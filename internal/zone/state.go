// SPDX-License-Identifier: Apache-2.0

package zone

import "fmt"

// State is where a zone stands in its life. The order matters: what is "at
// least installed" is compared by number.
type State int

// The states, with the numbers of illumos. The first three are kept in the
// index file; the others are what the kernel and the supervisor say.
const (
	Configured   State = iota // configuration committed, nothing on disk
	Incomplete                // install or uninstall in progress or interrupted
	Installed                 // usable, not active
	Ready                     // virtual platform exists, no process of the zone's own
	Running                   // init has been started
	ShuttingDown              // processes are being killed
	Down                      // no process, platform not yet torn down
	Mounted                   // maintenance: root at ZONEPATH/lu
)

var stateNames = [...]string{
	Configured: "configured", Incomplete: "incomplete", Installed: "installed",
	Ready: "ready", Running: "running", ShuttingDown: "shutting_down",
	Down: "down", Mounted: "mounted",
}

func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return "unknown"
	}
	return stateNames[s]
}

// Active reports whether the kernel holds anything of a zone in this state.
func (s State) Active() bool { return s >= Ready }

// ParseState is the inverse of String.
func ParseState(name string) (State, error) {
	for i, n := range stateNames {
		if n == name {
			return State(i), nil
		}
	}
	return 0, fmt.Errorf("unknown zone state %q", name)
}

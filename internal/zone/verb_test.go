// SPDX-License-Identifier: Apache-2.0

package zone

import (
	"errors"
	"strings"
	"testing"
)

// transitions is the specification's table. A cell is "> STATE" (with the
// state it passes through after "via"), "=" for unchanged, "W text" for said
// and succeeded, "E text" for refused by zoneadm, "L text" for refused by the
// supervisor. SHUT is both shutting_down and down; X is the state's name.
const transitions = `
ready      | E must be installed before ready. | E must be installed before ready. | > ready | W zone is already ready | > ready | > ready | L ready operation is invalid for zones in state 'X'
boot       | E must be installed before boot. | E must be installed before boot. | > running | > running | W zone is already booted | W zone is already booted | L boot operation is invalid for zones in state 'X'
boot -f    | E must be incomplete before boot. | > running | > running | L | L | L | L forceboot operation is invalid for zones in state 'X'
halt       | L could not start zoneadmd | L halt operation is invalid for zones in state 'X' | W zone is already halted | > installed | > installed | > installed | L halt operation is invalid for zones in state 'X'
shutdown   | E not running | E not running | E not running | L shutdown operation is invalid for zones in state 'X' | > installed | L unable to shutdown zone | L shutdown operation is invalid for zones in state 'X'
reboot     | E not running | E not running | E not running | L reboot operation is invalid for zones in state 'X' | > running | > running | L reboot operation is invalid for zones in state 'X'
verify     | = | E zone is incomplete; uninstall required. | = | = | = | = | =
install    | > installed via incomplete | E zone is incomplete; uninstall required. | E is already installed. | N | N | N | N
clone      | > installed via incomplete | E zone is incomplete; uninstall required. | E is already installed. | N | N | N | N
uninstall  | E is already in state 'configured'. | > configured | > configured via incomplete | N | N | N | N
move       | E must be installed before move. | E must be installed before move. | = | N | N | N | N
detach     | E must be installed before detach. | E must be installed before detach. | > configured | N | N | N | N
attach     | > installed | E zone is incomplete; uninstall required. | E is already installed. | N | N | N | N
attach -U  | > installed | > installed | E is already installed. | N | N | N | N
mark       | > incomplete | > incomplete | > incomplete | N | N | N | N
mount      | E must be installed before mount. | E must be installed before mount. | > mounted | M | M | M | M
mount -f   | E must be incomplete before mount. | > mounted | > mounted | M | M | M | M
unmount    | E must be mounted before unmount. | E must be mounted before unmount. | E must be mounted before unmount. | E must be mounted before unmount. | E must be mounted before unmount. | E must be mounted before unmount. | > installed
sysboot    | E sysboot operation is invalid for configured zones. | E sysboot operation is invalid for incomplete zones. | = | N | N | N | N
list       | = | = | = | = | = | = | =
help       | = | = | = | = | = | = | =
apply      | N | N | N | N | = | N | N
`

var columns = [][]State{{Configured}, {Incomplete}, {Installed}, {Ready}, {Running}, {ShuttingDown, Down}, {Mounted}}

var rowVerbs = map[string]Verb{"boot -f": ForceBoot, "mount -f": ForceMount, "attach -U": AttachUpdate}

func TestTransitions(t *testing.T) {
	pairs := 0
	for _, line := range strings.Split(strings.TrimSpace(transitions), "\n") {
		cells := strings.Split(line, "|")
		row := strings.TrimSpace(cells[0])
		v, ok := rowVerbs[row]
		for _, w := range Verbs() {
			if !ok && w.String() == row {
				v, ok = w, true
			}
		}
		if !ok || len(cells) != 8 {
			t.Fatalf("bad row %q", line)
		}
		for i, states := range columns {
			for _, s := range states {
				checkPair(t, v, s, strings.TrimSpace(cells[i+1]))
				pairs++
			}
		}
	}
	if want := int(verbCount) * 8; pairs != want {
		t.Errorf("the table has %d pairs, the verbs %d", pairs, want)
	}
}

func checkPair(t *testing.T, v Verb, s State, want string) {
	t.Helper()
	kind, text, _ := strings.Cut(want, " ")
	text = strings.ReplaceAll(text, "X", s.String())
	r, expect := v.In(s), Rule{Next: s, Via: s, Text: text}
	switch kind {
	case "=":
	case ">":
		next, through, passes := strings.Cut(text, " via ")
		expect.Text = ""
		expect.Next, _ = ParseState(next)
		expect.Via = expect.Next
		if passes {
			expect.Via, _ = ParseState(through)
		}
	case "W":
		expect.Kind, expect.Relayed = Already, true
	case "E":
		expect.Kind = Refuse
	case "L":
		expect.Kind, expect.Relayed = Refuse, true
	case "N":
		expect.Kind, expect.Text = Refuse, v.String()+" operation is invalid for "+s.String()+" zones."
	case "M":
		expect.Kind, expect.Relayed = Refuse, true
		expect.Text = "mount operation is invalid for zones in state '" + s.String() + "'"
	default:
		t.Fatalf("bad cell %q", want)
	}
	if v == Halt && s == Configured {
		expect.Detail = "cannot manage a zone which is in state 'configured'"
	}
	if r != expect {
		t.Errorf("%v of a zone in state %v:\n got %+v\nwant %+v", v, s, r, expect)
	}
}

func TestCheck(t *testing.T) {
	if err := Boot.Check("z1", Installed); err != nil {
		t.Errorf("boot of an installed zone: %v", err)
	}
	var refused *StateError
	if err := Uninstall.Check("z1", Running); !errors.As(err, &refused) ||
		err.Error() != "zone 'z1': uninstall operation is invalid for running zones." {
		t.Errorf("uninstall of a running zone: %v", err)
	}
	if err := Boot.Check("z1", State(99)); !errors.As(err, &refused) || refused.Rule.Kind != Refuse {
		t.Errorf("boot in an unknown state: %v", err)
	}
}

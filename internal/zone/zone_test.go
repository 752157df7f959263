// SPDX-License-Identifier: Apache-2.0

package zone

import (
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	long := strings.Repeat("a", MaxName)
	for _, good := range []string{"a", "0", "web", "Web-1_x.y", "global", long} {
		if n, err := ParseName(good); err != nil || string(n) != good {
			t.Errorf("ParseName(%q) = %q, %v", good, n, err)
		}
	}
	for _, bad := range []string{"", "-a", ".a", "_a", "a b", "a/b", "a:b", "ä", "a\x00", long + "a"} {
		if _, err := ParseName(bad); err == nil || err.Error() != bad+": Bogus zone name" {
			t.Errorf("ParseName(%q): %v", bad, err)
		}
	}
}

func TestStates(t *testing.T) {
	for s := Configured; s <= Mounted; s++ {
		if got, err := ParseState(s.String()); err != nil || got != s {
			t.Errorf("ParseState(%v) = %v, %v", s, got, err)
		}
	}
	if State(99).String() != "unknown" {
		t.Error("an unlisted state has a name")
	}
	if _, err := ParseState("unknown"); err == nil {
		t.Error("unknown is no state")
	}
}

func TestUUID(t *testing.T) {
	u := NewUUID()
	back, err := ParseUUID(strings.ToUpper(u.String()))
	if err != nil || back != u || u[6]>>4 != 4 {
		t.Errorf("%v -> %v, %v", u, back, err)
	}
	for _, bad := range []string{"x", u.String() + "0", strings.Replace(u.String(), "-", "a", 1),
		"-" + u.String()[1:], u.String()[:35] + "-", u.String()[:35] + "g"} {
		if _, err := ParseUUID(bad); err == nil {
			t.Errorf("ParseUUID(%q) succeeded", bad)
		}
	}
	if (UUID{}).String() != "" {
		t.Error("the zero UUID prints as something")
	}
}

// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"slices"
	"strings"
	"testing"
)

func TestParseTable(t *testing.T) {
	table := `22 28 0:20 / /proc rw,nosuid - proc proc rw
61 60 0:45 / /tank/zones\040a rw,relatime shared:31 - zfs tank/zones\040a rw
62 60 0:45 /root /srv rw,relatime shared:31 master:2 - zfs tank/a\134b rw
63 60
` + "64 60 0:46 / /tank/no\u00a0break\r rw - zfs tank/x rw\n"
	got, err := parseTable(strings.NewReader(table))
	want := []Mounted{
		{"/", "/proc", "proc", "proc", "0:20"}, {"/", "/tank/zones a", "zfs", "tank/zones a", "0:45"},
		{"/root", "/srv", "zfs", `tank/a\b`, "0:45"},
		{"/", "/tank/no\u00a0break\r", "zfs", "tank/x", "0:46"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

// SPDX-License-Identifier: Apache-2.0

package delegns

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/abi.golden from the header")

// mirror is what Go says of the interface, in the words of testdata/probe.c.
func mirror() string {
	var b strings.Builder
	for _, c := range []struct {
		name  string
		value uint64
	}{
		{"ABI", abiVersion}, {"NAME_MAX", NameMax}, {"CONSUMER_MAX", ConsumerMax},
		{"RESOURCE_MAX", ResourceMax}, {"DEPTH_MAX", DepthMax}, {"PATH_MAX", PathMax},
		{"GLOBAL", Global}, {"IOC", iocType},
		{"BY_ID", byID}, {"BY_NAME", byName}, {"BY_PIDFD", byPidfd}, {"BY_SELF", bySelf},
		{"OPEN_WATCH", openWatch}, {"COUNT", countProcs}, {"STATE_EMPTY", stateEmpty},
		{"STATE_DEAD", stateDead}, {"STATE_HOLDS", stateHolds}, {"GRANT_MAXIMAL", grantMaximal},
		{"VERSION", uint64(cmdVersion)}, {"CREATE", uint64(cmdCreate)}, {"OPEN", uint64(cmdOpen)},
		{"LIST", uint64(cmdList)}, {"QUERY", uint64(cmdQuery)}, {"INFO", uint64(cmdInfo)},
		{"ATTACH", uint64(cmdAttach)}, {"DETACH", uint64(cmdDetach)}, {"GRANT", uint64(cmdGrant)},
		{"REVOKE", uint64(cmdRevoke)}, {"GRANTS", uint64(cmdGrants)},
		{"ATTACHED", uint64(cmdAttached)}, {"DESTROY", uint64(cmdDestroy)},
	} {
		fmt.Fprintf(&b, "%s %d\n", c.name, c.value)
	}
	for _, s := range []struct {
		name string
		v    any
	}{
		{"version", abiVersionArg{}}, {"create", abiCreate{}}, {"open", abiOpen{}},
		{"list", abiList{}}, {"entry", abiEntry{}}, {"resource", abiResource{}},
		{"info", abiInfo{}}, {"userns", abiUserns{}}, {"grant", abiGrant{}},
		{"attached", abiAttached{}}, {"destroy", abiDestroy{}},
	} {
		t := reflect.TypeOf(s.v)
		fmt.Fprintf(&b, "struct %s %d\n", s.name, t.Size())
		for i := range t.NumField() {
			f := t.Field(i)
			fmt.Fprintf(&b, "%s.%s %d %d\n", s.name, strings.ReplaceAll(snake(f.Name), "_i_d", "_id"), f.Offset, f.Type.Size())
		}
	}
	return b.String()
}

// snake turns a Go field name into the header's: RecordSize, record_size.
func snake(s string) string {
	if s == strings.ToUpper(s) {
		return strings.ToLower(s)
	}
	var b strings.Builder
	for i, r := range s {
		if 'A' <= r && r <= 'Z' && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

// TestABI holds the header, this package and testdata/abi.golden equal. The
// header speaks through a C program; -update writes down what it says.
func TestABI(t *testing.T) {
	golden := filepath.Join("testdata", "abi.golden")
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Fatal("cc: not found: install gcc")
	}
	probe := filepath.Join(t.TempDir(), "probe")
	out, err := exec.Command(cc, "-Wall", "-Werror", "-I../../kmod/include/uapi", "-o", probe, "testdata/probe.c").CombinedOutput()
	if err != nil {
		t.Fatalf("compile probe: %v\n%s", err, out)
	}
	header, err := exec.Command(probe).Output()
	if err != nil {
		t.Fatalf("run probe: %v", err)
	}
	if *update {
		if err := os.WriteFile(golden, header, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := firstDifference(string(want), string(header)); d != "" {
		t.Errorf("%s and the header differ: %s", golden, d)
	}
	if d := firstDifference(string(want), mirror()); d != "" {
		t.Errorf("%s and abi.go differ: %s", golden, d)
	}
}

func firstDifference(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := 0; i < len(as) || i < len(bs); i++ {
		var x, y string
		if i < len(as) {
			x = as[i]
		}
		if i < len(bs) {
			y = bs[i]
		}
		if x != y {
			return fmt.Sprintf("line %d: %q, not %q", i+1, y, x)
		}
	}
	return ""
}

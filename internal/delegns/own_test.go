// SPDX-License-Identifier: Apache-2.0

package delegns

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWithoutDevice(t *testing.T) {
	dir := t.TempDir()
	module, missing := filepath.Join(dir, "module"), filepath.Join(dir, "missing")
	if err := os.Mkdir(module, 0o755); err != nil {
		t.Fatal(err)
	}
	const heading = "id parent depth attached grants children holders name\n"
	for _, c := range []struct{ module, list, want string }{
		{missing, "", "global"},
		{module, "", ""},
		{module, heading + "0 0 0 0 0 1 0 global\n4 0 1 1 1 0 1 web\n", "global"},
		{module, heading + "4 0 1 1 1 0 1 web\n5 4 2 1 0 0 1 inner\n", "web"},
		{module, heading, ""},
		{module, "rubbish\n", ""},
		{module, heading + "4 0 1 1 1 0 1 \x1b[2J\n", ""},
	} {
		list := filepath.Join(dir, "list")
		os.Remove(list)
		if c.list != "" {
			if err := os.WriteFile(list, []byte(c.list), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		_, got, err := withoutDevice(c.module, list)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q: %q, %v; want %q", c.list, got, err, c.want)
		}
	}
}

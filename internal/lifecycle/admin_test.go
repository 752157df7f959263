// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"zones/internal/store"
)

// A roster knows of a change at once, and does not look again without one.
func TestRoster(t *testing.T) {
	root := t.TempDir()
	etc := filepath.Join(root, "etc/zones")
	if err := os.MkdirAll(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(etc, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("index", "global:installed:/\nweb:installed:/zones/web:\n")
	grant := func(user string) string {
		return fmt.Sprintf("<zone name=\"web\" zonepath=\"/zones/web\" brand=\"linux\"><admin user=%q auths=\"login\"/></zone>\n", user)
	}
	write("web.xml", grant("joe"))
	m := New(store.Open(root), nil)
	var r Roster
	if !r.Has(m, "joe") || r.Has(m, "ann") || r.Has(m, "") {
		t.Errorf("knows %v", r.users)
	}
	r.until = time.Now().Add(time.Hour)
	write("web.xml", grant("ann")) // the folder stays as it was
	if r.Has(m, "ann") {
		t.Error("it has looked again")
	}
	time.Sleep(20 * time.Millisecond) // as coarse are the times of folders
	write("web.xml.new", grant("ann"))
	if err := os.Rename(filepath.Join(etc, "web.xml.new"), filepath.Join(etc, "web.xml")); err != nil {
		t.Fatal(err)
	}
	if !r.Has(m, "ann") || r.Has(m, "joe") {
		t.Errorf("knows %v still", r.users)
	}
	r.until = time.Time{}
	write("web.xml", grant("joe"))
	if !r.Has(m, "joe") {
		t.Error("it believes in the folder for ever")
	}
}

// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"zones/internal/cli"
	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/store"
	"zones/internal/zone"
)

// configured manages zones that are each in a folder of /zones.
func configured(t *testing.T, names ...zone.Name) *Manager {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(root+"/etc/zones", 0o755); err != nil {
		t.Fatal(err)
	}
	m := New(store.Open(root), &cli.Speaker{Out: io.Discard, Err: io.Discard})
	for _, name := range names {
		c := config.New(name)
		c.Zone.SetText(schema.ZonePath.Property, "/zones/"+string(name))
		if _, err := m.Store.Create(c, store.Generation{}); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// A place that another zone is at, moves to or has just left is nobody else's.
func TestClaim(t *testing.T) {
	m := configured(t, "new", "old", "on", "off")
	if _, err := m.Store.SetState("old", zone.Incomplete); err != nil {
		t.Fatal(err)
	}
	if err := m.writeJournal("on", &journal{From: "/left", To: "/coming"}); err != nil {
		t.Fatal(err)
	}
	for path, free := range map[string]bool{
		"/zones/new": true, "/zones/off": true, "/zones/old": false, "/zones/old/in": false, "/zones": false,
		"/left": false, "/coming": false, "/coming/in": false, "/coming2": true,
	} {
		taken := false
		err := m.claim(context.Background(), "new", path, func() error { taken = true; return nil })
		if taken != free || (err == nil) != free {
			t.Errorf("%s: taken %v, %v", path, taken, err)
		}
	}
	if err := m.claim(context.Background(), "on", "/left", func() error { return nil }); err != nil {
		t.Errorf("its own: %v", err)
	}
}

// A zone that zonecfg gives another place, or deletes, before it is begun stays
// as it is then.
func TestBegun(t *testing.T) {
	m := configured(t, "new")
	z, err := m.load("new")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Store.SetPath("new", "/zones/other"); err != nil {
		t.Fatal(err)
	}
	err = m.begun(context.Background(), z)
	if now, lost := m.Store.Lookup("new"); err == nil || lost != nil || now.State != zone.Configured {
		t.Errorf("%v: %+v, %v", err, now, lost)
	}
	if z, err = m.load("new"); err != nil {
		t.Fatal(err)
	}
	if err := m.begun(context.Background(), z); err != nil {
		t.Error(err)
	}
	if err := m.Store.Delete("new"); err != nil {
		t.Fatal(err)
	}
	if err := m.begun(context.Background(), z); err == nil {
		t.Error("a zone that is gone is begun")
	}
}

// A zone that was removed or installed anew while it was copied is told from one
// that stayed.
func TestStayed(t *testing.T) {
	m := configured(t, "src")
	for _, through := range [][]zone.State{{}, {zone.Incomplete}, {zone.Incomplete, zone.Installed}, {zone.Configured, zone.Installed}} {
		if _, err := m.Store.SetState("src", zone.Installed); err != nil {
			t.Fatal(err)
		}
		z, err := m.load("src")
		if err != nil {
			t.Fatal(err)
		}
		for _, state := range through {
			if _, err := m.Store.SetState("src", state); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.stayed(z); (err == nil) != (len(through) == 0) {
			t.Errorf("%v: %v", through, err)
		}
	}
}

// A folder is known by itself, not by its name.
func TestIdentity(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "zone")
	if identity(dir) != "" {
		t.Error("nothing has an identity")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	was := identity(dir)
	if err := os.Rename(dir, dir+"2"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if was == "" || identity(dir) == was || identity(dir+"2") != was {
		t.Errorf("%q, then %q and %q", was, identity(dir), identity(dir+"2"))
	}
}

// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/zone"
	"zones/tests/kill"
)

// fewestPlaces is how many places of death the kill test must have seen.
const fewestPlaces = 300

// seed makes the configuration that every step starts from.
func seed(t testing.TB, root string) *Store {
	t.Helper()
	s := Open(root)
	if err := os.MkdirAll(s.ConfigDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, s.IndexFile(), "# kept\nglobal:installed:/:\nz1:incomplete:/zones/z1:5d6bd1a0-3c53-4f5e-8a3e-2f0a5a3b7f11\nz2:configured:/zones/z2:\n# end\n")
	for _, name := range []zone.Name{"z1", "z2"} {
		c := config.New(name)
		c.Zone.SetText(schema.ZonePath.Property, "/zones/"+string(name))
		setDebugID(c, 1)
		doc, err := encode(c)
		if err != nil {
			t.Fatal(err)
		}
		write(t, s.ConfigFile(name), string(doc))
	}
	return s
}

// A picture is all that a session sees: index lines without UUIDs, which are
// random, and XML files.
func picture(t testing.TB, s *Store) string {
	t.Helper()
	var b strings.Builder
	entries, err := s.Index()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		fmt.Fprintln(&b, e.Name, e.State, e.Path, e.UUID.IsZero())
	}
	for _, name := range []zone.Name{"z1", "z2", "z7", "z9"} {
		data, _, err := s.readXML(name)
		if errors.Is(err, ErrNoZone) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		c := mustDecode(t, string(data))
		if e, err := s.Lookup(name); err != nil || e.Path != c.Text(schema.ZonePath.Property) || c.Name() != name {
			t.Errorf("%s: index says %v, %v; its file %s at %s", name, e, err, c.Name(), c.Text(schema.ZonePath.Property))
		}
		fmt.Fprintf(&b, "%s", data)
	}
	return b.String()
}

// TestKill ends a step at each of its system calls, and looks at what is left:
// the old or the new configuration, whole, for a session that cannot write, and
// the same for one that can, which then works and leaves nothing behind. Such a
// session is then itself killed at each of its calls.
func TestKill(t *testing.T) {
	tracer := kill.Tracer(t)
	total := 0
	for _, step := range []string{"commit", "move", "create", "overwrite", "delete", "rename", "state", "zonepath"} {
		list, r := survey(t, tracer, step)
		r.Inject = "signal=KILL"
		total += r.All(t, list)
		if step != "create" && step != "rename" && step != "delete" {
			continue
		}
		for _, p := range list {
			if p.Call == "renameat" {
				total += killNext(t, r, p)
			}
		}
	}
	t.Logf("%d places", total)
	if total < fewestPlaces {
		t.Errorf("died at %d places, want %d", total, fewestPlaces)
	}
}

// killNext kills the session that comes after one which died at a place.
func killNext(t *testing.T, first kill.Run, p kill.Place) int {
	t.Helper()
	next := first
	next.Step = "read"
	next.Setup = func(root string) {
		first.Setup(root)
		first.Hit(t, root, p)
	}
	root := t.TempDir()
	next.Setup(root)
	list := kill.Places(t, next.Tracer, next.Step, root)
	after := picture(t, Open(root))
	next.Examine = compare(after, after)
	return next.All(t, list)
}

// TestFault has each system call of a step fail instead.
func TestFault(t *testing.T) {
	tracer := kill.Tracer(t)
	for _, step := range []string{"move", "create", "delete", "rename"} {
		list, r := survey(t, tracer, step)
		for _, fault := range []string{"error=EIO", "error=ENOSPC"} {
			r.Inject = fault
			var some []kill.Place
			for _, p := range list {
				switch p.Call {
				case "write", "openat":
					some = append(some, p)
				case "fsync", "fchmod", "renameat", "unlinkat", "read", "fstat", "flock", "mkdirat", "close":
					if fault == "error=EIO" {
						some = append(some, p)
					}
				}
			}
			r.All(t, some)
		}
	}
}

// survey runs a step once: its calls, and a run of it that knows what a session
// sees before and after.
func survey(t *testing.T, tracer, step string) ([]kill.Place, kill.Run) {
	t.Helper()
	before := picture(t, seed(t, t.TempDir()))
	root := t.TempDir()
	seed(t, root)
	list := kill.Places(t, tracer, step, root)
	after := picture(t, Open(root))
	if before == after {
		t.Fatalf("%s changes nothing", step)
	}
	return list, kill.Run{
		Tracer: tracer, Step: step, Setup: func(root string) { seed(t, root) }, Examine: compare(before, after),
	}
}

func compare(before, after string) func(*testing.T, string, string, bool) {
	return func(t *testing.T, when, root string, done bool) {
		old := before
		if done {
			old = after
		}
		examine(t, when, Open(root), old, after)
	}
}

func examine(t *testing.T, when string, s *Store, before, after string) {
	held, err := s.lockIndex(true) // now no reader can finish anything
	if err != nil {
		t.Errorf("%s: %v", when, err)
		return
	}
	seen := picture(t, s)
	_ = held.Unlock()
	if seen != before && seen != after {
		t.Errorf("%s: neither old nor new:\n%s", when, seen)
	}
	if again := picture(t, s); again != seen {
		t.Errorf("%s: what is there depends on who looks:\n%s\n%s", when, seen, again)
	}
	if _, err := s.SetState("z1", zone.Incomplete); err != nil {
		t.Errorf("%s: next session: %v", when, err)
	}
	if !strings.HasPrefix(read(t, s.IndexFile()), "# kept\n") {
		t.Errorf("%s: the comments of the index are gone", when)
	}
	clean(t, s)
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"zones/internal/store"
	"zones/internal/zone"
	"zones/tests/kill"
)

// fewestPlaces is how many places of death the kill test must have seen.
const fewestPlaces = 300

// steps are the command lines that are killed. Two of them read their commands
// from a file, one of these being standard input in the end.
var steps = map[string]func(root string) []string{
	"commit": func(root string) []string {
		return []string{"-z", "z2", `set bootargs="-m verbose"; set zonepath=` + root + "/elsewhere/z2; add attr; set name=a; set type=string; set value=b; end"}
	},
	"create": func(root string) []string {
		script := filepath.Join(root, "script")
		text := "create\nset zonepath=" + root + "/zones/z9\nadd dataset\nset name=tank/a\nend\nverify\ncommit\n"
		if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
			panic(err)
		}
		return []string{"-z", "z9", "-f", script}
	},
	"overwrite": func(root string) []string {
		return []string{"-z", "z1", "create -F; set zonepath=" + root + "/new/z1; commit"}
	},
	"delete": func(string) []string { return []string{"-z", "z2", "delete", "-F"} },
	"rename": func(string) []string { return []string{"-z", "z2", "set zonename=z7; set autoboot=true; commit"} },
}

// TestKill ends zonecfg at each of the system calls that it makes from its
// first to its last, and looks at what is left.
func TestKill(t *testing.T) {
	tracer := kill.Tracer(t)
	total := 0
	for _, step := range []string{"commit", "create", "overwrite", "delete", "rename"} {
		before, root := t.TempDir(), t.TempDir()
		plant(t, before)
		plant(t, root)
		list := kill.Places(t, tracer, step, root)
		then, now := picture(t, before), picture(t, root)
		if then == now {
			t.Fatalf("%s changes nothing", step)
		}
		r := kill.Run{
			Tracer: tracer, Step: step, Inject: "signal=KILL", Setup: func(root string) { plant(t, root) },
			Examine: func(t *testing.T, when, root string, done bool) {
				if done {
					examine(t, when, root, now, now)
				} else {
					examine(t, when, root, then, now)
				}
			},
		}
		total += r.All(t, list)
	}
	t.Logf("%d places", total)
	if total < fewestPlaces {
		t.Errorf("died at %d places, want %d", total, fewestPlaces)
	}
}

// plant makes the configuration that every step starts from.
func plant(t *testing.T, root string) {
	t.Helper()
	s := store.Open(root)
	if err := os.MkdirAll(s.ConfigDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		s.IndexFile(): "# kept\nglobal:installed:/:\nz1:incomplete:/zones/z1:5d6bd1a0-3c53-4f5e-8a3e-2f0a5a3b7f11\nz2:configured:/zones/z2:\n# end\n",
	}
	for _, name := range []zone.Name{"z1", "z2"} {
		files[s.ConfigFile(name)] = fmt.Sprintf("<?xml version=\"1.0\"?>\n<zone name=%q zonepath=\"/zones/%s\" brand=\"linux\" debugid=\"1\"/>\n", name, name)
	}
	for file, text := range files {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// picture is all that a session sees, without the root and the UUIDs, which
// are random.
func picture(t *testing.T, root string) string {
	t.Helper()
	s := store.Open(root)
	var b strings.Builder
	entries, err := s.Index()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		fmt.Fprintln(&b, e.Name, e.State, e.Path, e.UUID.IsZero())
		if e.Name == zone.Global {
			continue
		}
		c, _, err := s.Load(e.Name)
		if err != nil {
			t.Errorf("%s is in the index: %v", e.Name, err)
			continue
		}
		file := filepath.Join(t.TempDir(), "zone.xml")
		if err := store.WriteFile(file, c); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
	}
	names, err := s.Names()
	if err != nil || len(names) != len(entries)-1 {
		t.Errorf("%d zones with a configuration, %d in the index: %v", len(names), len(entries)-1, err)
	}
	return strings.ReplaceAll(b.String(), root, "")
}

func examine(t *testing.T, when, root, before, after string) {
	s := store.Open(root)
	if err := os.MkdirAll(s.RunDir(), 0o700); err != nil {
		t.Errorf("%s: %v", when, err)
		return
	}
	lock, err := os.OpenFile(filepath.Join(s.RunDir(), "index.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		t.Errorf("%s: %v", when, err)
		return
	}
	seen := picture(t, root) // nobody can finish anything now
	lock.Close()
	if seen != before && seen != after {
		t.Errorf("%s: neither old nor new:\n%s", when, seen)
	}
	if again := picture(t, root); again != seen {
		t.Errorf("%s: what is there depends on who looks:\n%s\n%s", when, seen, again)
	}
	next := exec.Command(os.Args[0])
	next.Args = []string{"zonecfg", "-R", root, "-z", "z1", "set autoboot=true"}
	if out, err := next.CombinedOutput(); err != nil {
		t.Errorf("%s: next session: %v\n%s", when, err, out)
	}
	index, err := os.ReadFile(s.IndexFile())
	if err != nil || !strings.HasPrefix(string(index), "# kept\n") {
		t.Errorf("%s: the comments of the index are gone: %v", when, err)
	}
	left, err := os.ReadDir(s.ConfigDir())
	if err != nil {
		t.Errorf("%s: %v", when, err)
	}
	for _, e := range left {
		if strings.HasPrefix(e.Name(), ".") || e.Name() != "index" && !strings.HasSuffix(e.Name(), ".xml") {
			t.Errorf("%s: %s is left behind", when, e.Name())
		}
	}
}

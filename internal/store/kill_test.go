// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/zone"
)

// fewestPlaces is how many places of death the kill test must have seen.
const fewestPlaces = 300

// A place is one system call of a step: the nth of its name that the first
// thread makes.
type place struct {
	call string
	n    int
}

// strace finds the tool or says what is missing; in CI that is a failure.
func strace(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err == nil {
		err = exec.Command(path, "-o", os.DevNull, "true").Run()
	}
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") != "":
		t.Fatalf("strace, which this test needs, cannot trace: %v", err)
	}
	t.Skipf("requires strace and the right to trace: %v", err)
	return ""
}

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

func stepCommand(tracer string, traceArgs []string, step, root string) *exec.Cmd {
	cmd := exec.Command(tracer, append(traceArgs, os.Args[0])...)
	cmd.Env = append(os.Environ(), stepEnv+"="+step, rootEnv+"="+root, "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1")
	return cmd
}

var callLine = regexp.MustCompile(`^(\d+) +([a-z0-9_]+)\(`)

// places runs a step to its end and lists the system calls that it makes.
func places(t *testing.T, tracer, step, root string) []place {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	if out, err := stepCommand(tracer, []string{"-f", "-o", log}, step, root).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", step, err, out)
	}
	counts := map[string]int{}
	var first string
	var list []place
	begun := false
	for _, text := range strings.Split(read(t, log), "\n") {
		m := callLine.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		if first == "" {
			first = m[1]
		}
		if m[1] != first {
			continue
		}
		counts[m[2]]++
		switch {
		case strings.Contains(text, marker):
			begun = true
		case begun && m[2] != "futex" && m[2] != "exit_group":
			// Futexes belong to the runtime, which does not repeat itself.
			list = append(list, place{m[2], counts[m[2]]})
		}
	}
	if len(list) == 0 {
		t.Fatalf("%s makes no system call", step)
	}
	return list
}

// TestKill ends a step at each of its system calls, and looks at what is left:
// the old or the new configuration, whole, for a session that cannot write, and
// the same for one that can, which then works and leaves nothing behind. Such a
// session is then itself killed at each of its calls.
func TestKill(t *testing.T) {
	tracer := strace(t)
	total := 0
	for _, step := range []string{"commit", "move", "create", "overwrite", "delete", "rename", "state", "zonepath"} {
		list, before, after := survey(t, tracer, step)
		r := run{tracer: tracer, step: step, inject: "signal=KILL", setup: func(root string) { seed(t, root) }}
		total += r.all(t, list, before, after)
		if step != "create" && step != "rename" && step != "delete" {
			continue
		}
		for _, p := range list {
			if p.call == "renameat" {
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
func killNext(t *testing.T, first run, p place) int {
	t.Helper()
	next := run{tracer: first.tracer, step: "read", inject: "signal=KILL", setup: func(root string) {
		first.setup(root)
		first.hit(t, root, p)
	}}
	root := t.TempDir()
	next.setup(root)
	list := places(t, next.tracer, next.step, root)
	after := picture(t, Open(root))
	return next.all(t, list, after, after)
}

// TestFault has each system call of a step fail instead.
func TestFault(t *testing.T) {
	tracer := strace(t)
	for _, step := range []string{"move", "create", "delete", "rename"} {
		list, before, after := survey(t, tracer, step)
		for _, fault := range []string{"error=EIO", "error=ENOSPC"} {
			r := run{tracer: tracer, step: step, inject: fault, setup: func(root string) { seed(t, root) }}
			var some []place
			for _, p := range list {
				switch p.call {
				case "write", "openat":
					some = append(some, p)
				case "fsync", "fchmod", "renameat", "unlinkat", "read", "fstat", "flock", "mkdirat", "close":
					if fault == "error=EIO" {
						some = append(some, p)
					}
				}
			}
			r.all(t, some, before, after)
		}
	}
}

// survey runs a step once: its calls, and what a session sees before and after.
func survey(t *testing.T, tracer, step string) (list []place, before, after string) {
	t.Helper()
	before = picture(t, seed(t, t.TempDir()))
	root := t.TempDir()
	seed(t, root)
	list = places(t, tracer, step, root)
	if after = picture(t, Open(root)); before == after {
		t.Fatalf("%s changes nothing", step)
	}
	return list, before, after
}

// A run is a step that strace disturbs.
type run struct {
	tracer, step, inject string
	setup                func(root string)
}

// hit makes the step with the disturbance at a place, and tells how it ended.
func (r run) hit(t *testing.T, root string, p place) (killed, failed bool) {
	t.Helper()
	inject := fmt.Sprintf("inject=%s:%s:when=%d", p.call, r.inject, p.n)
	args := []string{"-f", "-o", os.DevNull, "-e", "trace=" + p.call, "-e", inject}
	out, err := stepCommand(r.tracer, args, r.step, root).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false, false
	case errors.As(err, &exit) && !exit.Exited():
		return true, false
	case errors.As(err, &exit) && exit.ExitCode() == 1 && len(out) > 0:
		return false, true
	}
	t.Errorf("%s, %s at %v: %v\n%s", r.step, r.inject, p, err, out)
	return false, true
}

// all disturbs a step at each place, and counts those where it died or failed.
func (r run) all(t *testing.T, list []place, before, after string) int {
	t.Helper()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4)
	hits := make([]bool, len(list))
	base := t.TempDir()
	for i, p := range list {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; wg.Done() }()
			root := filepath.Join(base, fmt.Sprint(i))
			r.setup(root)
			killed, failed := r.hit(t, root, p)
			hits[i] = killed || failed
			old := before
			if !killed && !failed {
				old = after // it did not notice, so it must have done its work
			}
			examine(t, fmt.Sprintf("%s, %s at %v", r.step, r.inject, p), Open(root), old, after)
		}()
	}
	wg.Wait()
	n := 0
	for _, hit := range hits {
		if hit {
			n++
		}
	}
	t.Logf("%s, %s: %d of %d places", r.step, r.inject, n, len(list))
	return n
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

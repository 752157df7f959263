// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zones/internal/zone"
)

// testStore is an empty configuration below a root of its own.
func testStore(t testing.TB) *Store {
	t.Helper()
	s := Open(t.TempDir())
	if err := os.MkdirAll(s.ConfigDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// clean fails when anything but the index and XML files is left.
func clean(t testing.TB, s *Store) {
	t.Helper()
	list, err := os.ReadDir(s.ConfigDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if e.Name() != indexName && !strings.HasSuffix(e.Name(), ".xml") || strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s is left behind", e.Name())
		}
	}
}

func TestPaths(t *testing.T) {
	for root, want := range map[string]string{"": "", "/": "", "/mnt/": "/mnt", "/a//b": "/a/b"} {
		if got := Open(root).Root(); got != want {
			t.Errorf("Open(%q).Root() = %q, want %q", root, got, want)
		}
	}
	if got := Open("/r").ConfigFile("z1"); got != "/r/etc/zones/z1.xml" {
		t.Error(got)
	}
}

const sampleIndex = `# zones of this machine
global:installed:/:
z1:configured:/zones/z1:
	not an entry
z2:installed:/zones/z2:5d6bd1a0-3c53-4f5e-8a3e-2f0a5a3b7f11:7
# between
z3:configured:"/zones/odd:name":
z4:running:/zones/z4:
z5:incomplete
z6:installed:/zones/z6:no-uuid
z1:installed:/again:
`

// IDX-1 to IDX-4: what counts as an entry, and what survives an update.
func TestIndex(t *testing.T) {
	s := testStore(t)
	write(t, s.IndexFile(), sampleIndex)
	uuid, _ := zone.ParseUUID("5d6bd1a0-3c53-4f5e-8a3e-2f0a5a3b7f11")
	want := []Entry{
		{Name: "global", State: zone.Installed, Path: "/"},
		{Name: "z1", Path: "/zones/z1"},
		{Name: "z2", State: zone.Installed, Path: "/zones/z2", UUID: uuid},
		{Name: "z3", Path: "/zones/odd:name"},
		{Name: "z5", State: zone.Incomplete},
		{Name: "z6", State: zone.Installed, Path: "/zones/z6"},
	}
	got, err := s.Index()
	if err != nil || len(got) != len(want) {
		t.Fatalf("%v, %v", got, err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("entry %d is %v, want %v", i, got[i], want[i])
		}
	}
	problems, err := s.IndexProblems()
	if err != nil || len(problems) != 3 || problems[0].Line != 4 || problems[1].Line != 8 || problems[2].Line != 11 {
		t.Errorf("problems: %v, %v", problems, err)
	}
	if e, err := s.LookupUUID(uuid); err != nil || e.Name != "z2" {
		t.Errorf("LookupUUID: %v, %v", e, err)
	}
	if _, err := s.LookupUUID(zone.UUID{}); !errors.Is(err, ErrNoZone) {
		t.Errorf("LookupUUID of none: %v", err)
	}

	if _, err := s.SetState("z2", zone.Installed); err != nil {
		t.Fatal(err)
	}
	if text := read(t, s.IndexFile()); text != sampleIndex {
		t.Errorf("an idle update changed the index:\n%s", text)
	}
	e, err := s.SetState("z3", zone.Incomplete)
	if err != nil || e.UUID.IsZero() {
		t.Fatal(e, err)
	}
	line := `z3:incomplete:"/zones/odd:name":` + e.UUID.String() + "\n"
	if text := read(t, s.IndexFile()); text != strings.Replace(sampleIndex, "z3:configured:\"/zones/odd:name\":\n", line, 1) {
		t.Errorf("index after the update:\n%s", text)
	}
	clean(t, s)
}

// The life of a UUID: zoneadm(8), states.
func TestUUIDLife(t *testing.T) {
	s := testStore(t)
	write(t, s.IndexFile(), "z:configured:/z:")
	set := func(state zone.State) zone.UUID {
		t.Helper()
		e, err := s.SetState("z", state)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := s.Lookup("z"); err != nil || again != e {
			t.Errorf("%v stored as %v, %v", e, again, err)
		}
		return e.UUID
	}
	first := set(zone.Incomplete)
	if kept := set(zone.Installed); first.IsZero() || kept != first {
		t.Error("install does not keep the UUID it began with")
	}
	if marked := set(zone.Incomplete); marked.IsZero() || marked == first {
		t.Error("mark incomplete does not change the UUID")
	}
	if !set(zone.Configured).IsZero() {
		t.Error("a configured zone has a UUID")
	}
	if set(zone.Installed).IsZero() {
		t.Error("attach gives no UUID")
	}
	for _, err := range []error{
		fails(s.SetState("no", zone.Installed)), fails(s.SetState("z", zone.Running)), fails(s.SetState("global", zone.Configured)),
	} {
		if err == nil {
			t.Error("a wrong SetState succeeded")
		}
	}
}

func fails(_ Entry, err error) error { return err }

func TestMissingIndex(t *testing.T) {
	s := testStore(t)
	if e, err := s.Index(); err != nil || len(e) != 1 || e[0].Name != zone.Global {
		t.Errorf("%v, %v", e, err)
	}
	if err := s.createDoc(fixed("z", "/z", []byte("<x/>")), Generation{}); err != nil {
		t.Fatal(err)
	}
	if text := read(t, s.IndexFile()); text != "global:installed:/:\nz:configured:/z:\n" {
		t.Errorf("%q", text)
	}
	if st, err := os.Stat(s.IndexFile()); err != nil || st.Mode() != 0o644 {
		t.Error(st.Mode(), err)
	}
	clean(t, s)
}

// SAV-1 to SAV-3, SAV-5 and what two sessions do to each other.
func TestDocs(t *testing.T) {
	s := testStore(t)
	doc1, doc2 := []byte("one"), []byte("two")
	if err := s.createDoc(fixed("a", "/a", doc1), Generation{}); err != nil {
		t.Fatal(err)
	}
	gen, err := s.Generation("a")
	if err != nil || gen == (Generation{}) {
		t.Fatal(gen, err)
	}
	if err := s.saveDoc(fixed("a", "/b", doc2), gen); err != nil {
		t.Fatal(err)
	}
	if err := s.saveDoc(fixed("a", "/a", doc1), gen); !errors.Is(err, ErrConflict) {
		t.Errorf("a lost update: %v", err)
	}
	if e, _ := s.Lookup("a"); e.Path != "/b" || read(t, s.ConfigFile("a")) != "two" {
		t.Error("a refused save changed something")
	}
	if err := s.createDoc(fixed("a", "/a", doc1), Generation{}); !errors.Is(err, ErrConflict) {
		t.Errorf("create over an unseen zone: %v", err)
	}
	gen, _ = s.Generation("a")
	installed, _ := s.SetState("a", zone.Installed)
	if err := s.createDoc(fixed("a", "/a", doc1), gen); !errors.Is(err, ErrState) {
		t.Errorf("create over an installed zone: %v", err)
	}
	write(t, s.ConfigFile("taken"), "x")
	if err := s.renameDoc("a", fixed("taken", "/b", doc2), gen); !errors.Is(err, ErrInUse) {
		t.Errorf("rename to a name in use: %v", err)
	}
	if err := s.renameDoc("a", fixed("b", "/b", doc2), gen); err != nil {
		t.Fatal(err)
	}
	installed.Name = "b"
	if e, err := s.Lookup("b"); err != nil || e != installed {
		t.Errorf("after rename: %v, %v", e, err)
	}
	if _, err := os.Stat(s.ConfigFile("a")); !os.IsNotExist(err) {
		t.Error("the old XML file is still there")
	}
	if err := s.saveDoc(fixed("taken", "/t", doc1), mustGen(t, s, "taken")); !errors.Is(err, ErrIndex) {
		t.Errorf("save without an entry: %v", err)
	}
	for _, name := range []zone.Name{"b", "taken"} {
		note := filepath.Join(s.ConfigDir(), string(name))
		write(t, note+MoveNote, "x")
		write(t, note+IDsNote, "x")
		if err := s.Delete(name); err != nil {
			t.Error(err)
		}
		// The next zone of that name is another one.
		if left, _ := filepath.Glob(note + ".*"); len(left) != 0 {
			t.Errorf("left of %s: %q", name, left)
		}
	}
	if err := s.Delete("b"); !errors.Is(err, ErrNoZone) {
		t.Errorf("delete of nothing: %v", err)
	}
	if err := s.createDoc(fixed("global", "", doc1), Generation{}); err != nil {
		t.Error(err)
	}
	if text := read(t, s.IndexFile()); text != "global:installed:/:\n" {
		t.Errorf("%q", text)
	}
	clean(t, s)
}

func fixed(name zone.Name, path string, doc []byte) put {
	return put{name, path, func(func() int) ([]byte, error) { return doc, nil }}
}

func mustGen(t *testing.T, s *Store, name zone.Name) Generation {
	t.Helper()
	gen, err := s.Generation(name)
	if err != nil {
		t.Fatal(err)
	}
	return gen
}

func TestDamagedIndexIsLeftAlone(t *testing.T) {
	s := testStore(t)
	const damaged = "global:installed:/:\nz:configured:/z:\n\x00\x00\x00"
	write(t, s.IndexFile(), damaged)
	err := s.createDoc(fixed("a", "/a", []byte("one")), Generation{})
	var e *Error
	if !errors.As(err, &e) || e.Reason != ErrIndex || e.Line != 3 {
		t.Errorf("%v", err)
	}
	if read(t, s.IndexFile()) != damaged {
		t.Error("the damaged index was written")
	}
	if _, err := os.Stat(s.ConfigFile("a")); err == nil {
		t.Error("an XML file without an entry")
	}
	clean(t, s)
}

// A change that is decided counts, although its author died.
func TestJournal(t *testing.T) {
	s := testStore(t)
	if err := s.createDoc(fixed("a", "/a", []byte("one")), Generation{}); err != nil {
		t.Fatal(err)
	}
	ix := parseIndex(read(t, s.IndexFile()))
	ix.find("a").entry.Name = "b"
	_ = ix.find("b").set(Entry{Name: "b", Path: "/a"})
	j := &journal{name: "b", xmlSum: sum([]byte("two")), indexSum: sum(ix.bytes()), remove: "a"}
	for i, undone := range []bool{true, false} {
		write(t, s.path(journalName), string(j.encode()))
		if undone {
			write(t, s.path(stagedXML), "two")
		}
		write(t, s.path(stagedIndex), string(ix.bytes()))
		held, err := s.lockIndex(true) // so that readers cannot finish it
		if err != nil {
			t.Fatal(err)
		}
		doc, _, err := s.readXML("b")
		if err != nil || string(doc) != "two" {
			t.Errorf("%d: b is %q, %v", i, doc, err)
		}
		if _, _, err := s.readXML("a"); !errors.Is(err, ErrNoZone) {
			t.Errorf("%d: a: %v", i, err)
		}
		if _, err := s.Lookup("a"); !errors.Is(err, ErrNoZone) {
			t.Errorf("%d: a is in the index: %v", i, err)
		}
		_ = held.Unlock()
		if e, err := s.Lookup("b"); err != nil || e.Path != "/a" {
			t.Errorf("%d: %v, %v", i, e, err)
		}
		if read(t, s.ConfigFile("b")) != "two" {
			t.Errorf("%d: not carried out", i)
		}
		clean(t, s)
	}
	for _, bad := range []string{"", "x", journalHead + "\n", journalHead + "\nxml ../x 00\nend\n", journalHead + "\nboo\nend\n"} {
		write(t, s.path(journalName), bad)
		if _, err := s.Lookup("b"); !errors.Is(err, ErrFileSystem) {
			t.Errorf("journal %q: %v", bad, err)
		}
		if read(t, s.path(journalName)) != bad {
			t.Errorf("the damaged journal %q is gone", bad)
		}
	}
}

func TestLockZone(t *testing.T) {
	s := testStore(t)
	ctx := context.Background()
	l, err := s.LockZone(ctx, "z")
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(s.RunDir()); err != nil || st.Mode().Perm() != 0o711 {
		t.Error(st, err)
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := s.LockZone(short, "z"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("second holder: %v", err)
	}
	other, err := s.LockZone(ctx, "other")
	if err != nil {
		t.Fatal(err)
	}
	_ = other.Unlock()
	t.Setenv(LockHeldEnv, "1")
	below, err := s.LockZone(ctx, "z")
	if err != nil {
		t.Fatal(err)
	}
	_ = below.Unlock()
	if _, err := s.LockAll(short, "z"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("what zones have in common is not locked by an ancestor: %v", err)
	}
	_ = l.Unlock()
	t.Setenv(LockHeldEnv, "")
	if l, err = s.LockZone(ctx, "z"); err != nil {
		t.Fatal(err)
	}
	_ = l.Unlock()
	if err := os.Remove(s.zoneLockFile("z")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.zoneLockFile("z"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err = s.LockZone(ctx, "z"); !errors.Is(err, ErrZoneLock) {
		t.Errorf("a folder as lock: %v", err)
	}
}

func TestAccess(t *testing.T) {
	s := testStore(t)
	if err := s.Access("z"); err != nil {
		t.Error(err)
	}
	if err := Open(filepath.Join(s.Root(), "no")).Access("z"); !errors.Is(err, ErrFileSystem) {
		t.Errorf("no folder: %v", err)
	}
	if os.Geteuid() == 0 {
		return // nothing is denied to root; the scripts of zonecfg run as a user
	}
	write(t, s.ConfigFile("z"), "")
	if err := os.Chmod(s.ConfigFile("z"), 0o444); err != nil {
		t.Fatal(err)
	}
	if err := s.Access("z"); !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
}

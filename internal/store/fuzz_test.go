// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zones/internal/zone"
)

// corpus adds the files of a folder of testdata to a fuzz target.
func corpus(f *testing.F, folder string) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*"))
	if err != nil || len(files) == 0 {
		f.Fatal("no corpus in", folder, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

// Whatever can be read can be written, and read again as the same.
func FuzzXML(f *testing.F) {
	corpus(f, "xml")
	for _, bad := range badXML {
		f.Add([]byte(bad.text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decode(data)
		if err != nil {
			return
		}
		doc, err := encode(c)
		if err != nil {
			t.Fatalf("read but not written: %v", err)
		}
		back, err := decode(doc)
		if err != nil {
			t.Fatalf("written but not read: %v\n%s", err, doc)
		}
		if !back.Equal(c) {
			t.Fatalf("changed by a save:\n%s", doc)
		}
		if again, err := encode(back); err != nil || !bytes.Equal(again, doc) {
			t.Fatalf("changed by a second save: %v\n%s\n%s", err, doc, again)
		}
	})
}

// An update touches the lines that it means and no others.
func FuzzIndex(f *testing.F) {
	corpus(f, "index")
	for _, bad := range badIndex {
		f.Add([]byte(bad.text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text := string(data)
		ix := parseIndex(text)
		if got := string(ix.bytes()); got != text && got != text+"\n" {
			t.Fatalf("%q is written as %q", text, got)
		}
		for i := range ix.lines {
			l := &ix.lines[i]
			if l.err != nil {
				continue
			}
			before := l.entry
			if _, err := zone.ParseName(string(before.Name)); err != nil || before.State > zone.Installed {
				t.Fatalf("%q reads as %+v", l.text, before)
			}
			after := before
			after.enter(zone.Incomplete)
			if err := l.set(after); err != nil {
				continue // a quoted path with a quote in it
			}
			if again := parseLine(l.text); again.err != nil || again.entry != after {
				t.Fatalf("%+v is written as %q, which reads as %+v, %v", after, l.text, again.entry, again.err)
			}
		}
		if ix.find("fuzz-new") == nil {
			ix = parseIndex(text)
			if err := ix.add(Entry{Name: "fuzz-new", Path: "/n"}); err != nil {
				t.Fatal(err)
			}
			want := text
			if want != "" && !strings.HasSuffix(want, "\n") {
				want += "\n"
			}
			if got := string(ix.bytes()); got != want+"fuzz-new:configured:/n:\n" {
				t.Fatalf("%q with an entry is %q", text, got)
			}
			ix.remove("fuzz-new")
			if got := string(ix.bytes()); got != want {
				t.Fatalf("%q with an entry removed is %q", text, got)
			}
		}
	})
}

func FuzzJournal(f *testing.F) {
	f.Add((&journal{name: "a", xmlSum: "0", indexSum: "1", remove: "b"}).encode())
	f.Add([]byte(journalHead + "\nend\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := decodeJournal(data)
		if err != nil {
			return
		}
		if again, err := decodeJournal(j.encode()); err != nil || *again != *j && j.xmlSum != "" {
			t.Fatalf("%q: %+v, then %+v, %v", data, j, again, err)
		}
	})
}

// The quick reader of root elements says what the real one does, or nothing.
func FuzzRoot(f *testing.F) {
	corpus(f, "xml")
	f.Fuzz(func(t *testing.T, data []byte) {
		sum, ok := scanRoot(data)
		c, err := decode(data)
		if !ok || err != nil {
			return
		}
		want := unset()
		want.DebugID = DebugID(c)
		for _, p := range summarized {
			want.take(p.Attr, c.Text(p))
		}
		if sum != want {
			t.Fatalf("%+v, want %+v", sum, want)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zones/internal/config"
	"zones/internal/zone"
)

// zoneOf makes a document of a zone with something in it, on line 2.
func zoneOf(inside string) string {
	return "<zone name=\"z\" zonepath=\"/z\" autoboot=\"false\">\n" + inside + "\n</zone>\n"
}

const laughs = `<?xml version="1.0"?>
<!DOCTYPE zone [
 <!ENTITY a "ha">
 <!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
 <!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
]>
<zone name="&c;" zonepath="/z" autoboot="false"/>
`

// badXML is refused as an invalid document, at the line given.
var badXML = []struct {
	what, text string
	line       int
}{
	{"empty", "", 1},
	{"blank", " \n\n", 3},
	{"no XML", "zonepath=/z\n", 2},
	{"binary", "\x7fELF\x02\x01\x01\x00", 1},
	{"NUL bytes", strings.Repeat("\x00", 512), 1},
	{"truncated in a tag", "<zone name=\"z\" zonepath=\"/z\"", 1},
	{"truncated in a value", "<zone name=\"z\" zonepath=\"/z", 1},
	{"truncated in the content", "<zone name=\"z\" zonepath=\"/z\" autoboot=\"false\">\n<dataset name=\"a\"/>\n", 3},
	{"tail of NUL bytes", zoneOf("") + "\x00\x00", 4},
	{"other root", "<brand name=\"z\"/>", 1},
	{"two roots", zoneOf("") + zoneOf(""), 4},
	{"text before", "x" + zoneOf(""), 1},
	{"text after", zoneOf("") + "x", 4},
	{"text inside", zoneOf("text"), 3},
	{"text in a resource", zoneOf("<dataset name=\"a\">text</dataset>"), 2},
	{"crossed tags", zoneOf("<network physical=\"a0\"></dataset>"), 2},
	{"crossed tags in the unknown", zoneOf("<x><y></x></y>"), 2},
	{"end without a begin", zoneOf("</x>"), 2},
	{"attribute twice", zoneOf("<dataset name=\"a\" name=\"b\"/>"), 2},
	{"attribute twice in the root", "<zone name=\"z\" name=\"y\" zonepath=\"/z\" autoboot=\"false\"/>", 1},
	{"attribute twice in the unknown", zoneOf("<x a=\"1\" a=\"2\"/>"), 2},
	{"unquoted attribute", zoneOf("<dataset name=a/>"), 2},
	{"no name", "<zone zonepath=\"/z\" autoboot=\"false\"/>", 1},
	{"autoboot that is neither", "<zone name=\"z\" zonepath=\"/z\" autoboot=\"maybe\"/>", 1},
	{"ip-type that is neither", "<zone name=\"z\" zonepath=\"/z\" autoboot=\"true\" ip-type=\"both\"/>", 1},
	{"attr of a wrong type", zoneOf("<attr name=\"a\" type=\"float\" value=\"1\"/>"), 2},
	{"attr without a value", zoneOf("<attr name=\"a\" type=\"int\"/>"), 2},
	{"dataset without a name", zoneOf("<dataset/>"), 2},
	{"filesystem without a type", zoneOf("<filesystem special=\"/a\" directory=\"/b\"/>"), 2},
	{"network without a link", zoneOf("<network address=\"10.0.0.1\"/>"), 2},
	{"device without a match", zoneOf("<device/>"), 2},
	{"rctl without a name", zoneOf("<rctl/>"), 2},
	{"rctl-value without an action", zoneOf("<rctl name=\"zone.max-lwps\"><rctl-value priv=\"privileged\" limit=\"1\"/></rctl>"), 2},
	{"fsoption without a name", zoneOf("<filesystem special=\"a\" directory=\"/b\" type=\"lofs\"><fsoption/></filesystem>"), 2},
	{"admin without auths", zoneOf("<admin user=\"joe\"/>"), 2},
	{"pset without a maximum", zoneOf("<pset ncpu_min=\"1\"/>"), 2},
	{"pset twice", zoneOf("<pset ncpu_min=\"1\" ncpu_max=\"1\"/>\n<pset ncpu_min=\"1\" ncpu_max=\"2\"/>"), 3},
	{"tmp_pool without an importance", zoneOf("<tmp_pool/>"), 2},
	{"unknown entity", zoneOf("<dataset name=\"&tank;\"/>"), 2},
	{"billion laughs", laughs, 6},
	{"entity cycle", "<!DOCTYPE zone [<!ENTITY a \"&b;\"><!ENTITY b \"&a;\">]>\n<zone name=\"&a;\"/>", 1},
	{"external entity", "<!DOCTYPE zone [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>\n<zone name=\"&a;\"/>", 1},
	{"parameter entity", "<!DOCTYPE zone [%a;]>\n<zone/>", 1},
	{"two document types", "<!DOCTYPE zone>\n<!DOCTYPE zone>\n" + zoneOf(""), 2},
	{"declaration inside", zoneOf("<!ELEMENT zone ANY>"), 2},
	{"character that is none", zoneOf("<dataset name=\"&#0;\"/>"), 2},
	{"control character", zoneOf("<dataset name=\"\x01\"/>"), 2},
	{"invalid UTF-8", zoneOf("<dataset name=\"\xff\xfe\"/>"), 2},
	{"UTF-16", "<?xml version=\"1.0\" encoding=\"UTF-16\"?>" + zoneOf(""), 1},
	{"surrogates", zoneOf("<dataset name=\"\xed\xa0\x80\"/>"), 2},
	{"comment without an end", zoneOf("<!-- "), 4},
	{"comment with dashes", zoneOf("<!-- a -- b -->"), 2},
	{"too deep", zoneOf(strings.Repeat("<x>", 10_000) + strings.Repeat("</x>", 10_000)), 2},
	{"too many attributes", zoneOf("<x " + manyAttributes(1000) + "/>"), 2},
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d=\"\"", i)
	}
	return b.String()
}

// A damaged XML file is reported with its line and left alone.
func TestBadXML(t *testing.T) {
	s := testStore(t)
	write(t, s.IndexFile(), "z:configured:/z:\n")
	for _, bad := range badXML {
		write(t, s.ConfigFile("z"), bad.text)
		c, gen, err := s.Load("z")
		var e *Error
		if !errors.As(err, &e) || e.Reason != ErrInvalid || e.File != s.ConfigFile("z") || e.Line != bad.line || c != nil {
			t.Errorf("%s: %v, want line %d", bad.what, err, bad.line)
		}
		if Reason(err) != "Invalid document" {
			t.Errorf("%s: %q", bad.what, Reason(err))
		}
		// A session that could not read it cannot store over it by mistake.
		fresh := config.New("z")
		if _, err := s.Save(fresh, Generation{}); !errors.Is(err, ErrConflict) {
			t.Errorf("%s: saved over: %v", bad.what, err)
		}
		if err := s.SetPath("z", "/y"); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: SetPath: %v", bad.what, err)
		}
		if read(t, s.ConfigFile("z")) != bad.text {
			t.Errorf("%s: the file has changed", bad.what)
		}
		if list, err := s.Summaries(); err != nil || len(list) != 1 {
			t.Errorf("%s: list: %v", bad.what, err)
		}
		if gen == (Generation{}) {
			t.Errorf("%s: no generation to overwrite by", bad.what)
		}
	}
	clean(t, s)
}

// badIndex gives what is read from an index that is not as it should be, and
// the lines that are reported.
var badIndex = []struct {
	what, text string
	names      string // of the entries, with blanks
	lines      []int  // of the problems
}{
	{"empty", "", "", nil},
	{"blank lines", "\n\nz:configured:/z:\n\n", "z", nil},
	{"no fields", "z\n", "", []int{1}},
	{"two fields", "z:configured\n", "z", nil},
	{"seven fields", "z:configured:/z::5:6:7\n", "z", nil},
	{"only colons", ":::\n", "", []int{1}},
	{"no name", ":installed:/z:\n", "", []int{1}},
	{"long name", strings.Repeat("a", 64) + ":installed:/z:\n", "", []int{1}},
	{"longest name", strings.Repeat("a", 63) + ":installed:/z:\n", strings.Repeat("a", 63), nil},
	{"name with a path", "../../etc/passwd:installed:/z:\n", "", []int{1}},
	{"name with a blank", "a b:installed:/z:\n", "", []int{1}},
	{"name in UTF-8", "zoë:installed:/z:\n", "", []int{1}},
	{"unknown state", "z:broken:/z:\n", "", []int{1}},
	{"state of the kernel", "z:running:/z:\n", "", []int{1}},
	{"state in capitals", "z:INSTALLED:/z:\n", "", []int{1}},
	{"unterminated quote", "z:installed:\"/z:\n", "", []int{1}},
	{"text after a quote", "z:installed:\"/z\"more:\n", "z", nil},
	{"CRLF", "z:configured:/z:\r\n", "z", nil},
	{"twice", "z:configured:/a:\nz:installed:/b:\n", "z", []int{2}},
	{"megabyte line", "z:configured:/" + strings.Repeat("x", 1<<20) + ":\ny:configured:/y:\n", "y", []int{1}},
	{"binary", "\x7fELF\x02\x01\n\xff\xfe\n", "", []int{1, 2}},
	{"NUL in a path", "z:configured:/z\x00:\n", "", []int{1}},
	{"no newline at the end", "y:configured:/y:\nz:configured:/z:", "y z", nil},
	{"bad UUID", "z:installed:/z:5d6bd1a0\n", "z", nil},
}

// A damaged index is read as far as it goes, reported, and changed in no line
// but the one that is meant.
func TestBadIndex(t *testing.T) {
	for _, bad := range badIndex {
		s := testStore(t)
		write(t, s.IndexFile(), bad.text)
		entries, err := s.Index()
		var names []string
		for _, e := range entries {
			names = append(names, string(e.Name))
		}
		if got := strings.Join(names, " "); err != nil || got != bad.names {
			t.Errorf("%s: entries %q, %v", bad.what, got, err)
		}
		problems, err := s.IndexProblems()
		var lines []int
		for _, p := range problems {
			lines = append(lines, p.Line)
		}
		if err != nil || fmt.Sprint(lines) != fmt.Sprint(bad.lines) {
			t.Errorf("%s: problems in lines %v, %v", bad.what, lines, err)
		}
		c := config.New("new")
		_, err = s.Create(c, Generation{})
		got := read(t, s.IndexFile())
		if strings.Contains(bad.text, "\x00") {
			if !errors.Is(err, ErrIndex) || got != bad.text {
				t.Errorf("%s: %v", bad.what, err)
			}
			continue
		}
		want := bad.text
		if want != "" && !strings.HasSuffix(want, "\n") {
			want += "\n"
		}
		if err != nil || got != want+"new:configured::\n" {
			t.Errorf("%s: %v\n%.200q", bad.what, err, got)
		}
		clean(t, s)
	}
}

// What stands where a file should.
func TestBadFiles(t *testing.T) {
	for what, make := range map[string]func(path string) error{
		"folder":        func(path string) error { return os.Mkdir(path, 0o755) },
		"fifo":          func(path string) error { return unix.Mkfifo(path, 0o644) },
		"dangling link": func(path string) error { return os.Symlink("/nonexistent/x", path) },
		"loop":          func(path string) error { return os.Symlink(path, path) },
		"device":        func(path string) error { return os.Symlink("/dev/zero", path) },
		"huge":          func(path string) error { return sparse(path, maxXML+1) },
	} {
		s := testStore(t)
		write(t, s.IndexFile(), "z:configured:/z:\n")
		if err := make(s.ConfigFile("z")); err != nil {
			t.Fatal(err)
		}
		_, _, err := s.Load("z")
		if what == "dangling link" {
			if !errors.Is(err, ErrNoZone) {
				t.Errorf("%s as XML file: %v", what, err)
			}
		} else if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s as XML file: %v", what, err)
		}
		if _, err := s.Index(); err != nil {
			t.Errorf("%s as XML file: index: %v", what, err)
		}

		s = testStore(t)
		if err := make(s.IndexFile()); err != nil {
			t.Fatal(err)
		}
		_, err = s.Index()
		_, err2 := s.SetState("z", zone.Incomplete)
		switch what {
		case "dangling link": // reads as an index that is not there yet
			if err != nil || !errors.Is(err2, ErrIndex) {
				t.Errorf("%s as index: %v, %v", what, err, err2)
			}
		default:
			if !errors.Is(err, ErrFileSystem) || !errors.Is(err2, ErrFileSystem) {
				t.Errorf("%s as index: %v, %v", what, err, err2)
			}
		}
		if _, err := os.Lstat(s.IndexFile()); err != nil {
			t.Errorf("%s as index is gone: %v", what, err)
		}
	}
}

func sparse(path string, size int64) error {
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return err
	}
	return os.Truncate(path, size)
}

// A hundred thousand resources are slow, not refused.
func TestManyResources(t *testing.T) {
	s := testStore(t)
	write(t, s.IndexFile(), "z:configured:/z:\n")
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, "<dataset name=\"tank/%d\"/>\n", i)
	}
	write(t, s.ConfigFile("z"), zoneOf(b.String()))
	c, gen, err := s.Load("z")
	if err != nil || len(c.Stored()) != 100_000 {
		t.Fatal(err)
	}
	if _, err := s.Save(c, gen); err != nil {
		t.Fatal(err)
	}
	if again, _, err := s.Load("z"); err != nil || !again.Equal(c) {
		t.Error("changed by a save", err)
	}
}

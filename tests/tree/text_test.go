// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const uapi = "kmod/include/uapi/linux/delegns.h"

// license is what the first line of a file must name, "" when the file cannot
// carry one.
func license(path string) string {
	switch {
	case fixture(path), strings.HasPrefix(path, "LICENSES/"), filepath.Base(path) == "go.sum", path == "go.mod":
		return ""
	case path == uapi:
		return "SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT"
	case strings.HasPrefix(path, "kmod/"):
		return "SPDX-License-Identifier: GPL-2.0-only"
	case strings.HasPrefix(path, "tests/kmod/") && filepath.Ext(path) != ".go":
		return "SPDX-License-Identifier: " // beside the module, under the licence of either side
	}
	return "SPDX-License-Identifier: Apache-2.0"
}

func TestLicenses(t *testing.T) {
	for _, path := range treeFiles(t) {
		want := license(path)
		if want == "" {
			continue
		}
		first, rest, _ := strings.Cut(read(t, path), "\n")
		if strings.HasPrefix(first, "#!") || strings.HasPrefix(first, "<?xml") {
			first, _, _ = strings.Cut(rest, "\n") // these are read by machines and must be first
		}
		if !strings.Contains(first, want) {
			t.Errorf("%s: line one must say %q", path, want)
		}
	}
}

// unfinished finds the words by which work is put off. They are spelled apart
// here so that the rule does not find itself.
var unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)

func TestNothingIsPutOff(t *testing.T) {
	for _, path := range treeFiles(t) {
		if strings.HasPrefix(path, "LICENSES/") || filepath.Base(path) == "go.sum" {
			continue
		}
		for i, line := range strings.Split(read(t, path), "\n") {
			if m := unfinished.FindString(line); m != "" {
				t.Errorf("%s:%d: %s: do it, or take the note away", path, i+1, m)
			}
		}
	}
}

// machineWords lists what only this machine is: the hosts that its package
// clients are set up with, and the folder the tree stands in.
func machineWords(t *testing.T) []string {
	t.Helper()
	host := regexp.MustCompile(`https?://([^/:\s|,]+)`)
	var said []byte
	for _, glob := range []string{"/etc/apt/sources.list", "/etc/apt/sources.list.d/*", "/etc/pip.conf"} {
		names, _ := filepath.Glob(glob)
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				continue // a file that we may not read names no host to us
			}
			said = append(said, text...)
		}
	}
	for _, command := range [][]string{{"go", "env", "GOPROXY"}, {"npm", "config", "get", "registry"}} {
		out, err := exec.Command(command[0], command[1:]...).Output()
		if err == nil {
			said = append(said, out...)
		}
	}
	var words []string
	for _, m := range host.FindAllSubmatch(said, -1) {
		words = append(words, string(m[1]))
	}
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	// A tree that stands in / or /src would forbid every path there is.
	if parent := filepath.Dir(top); strings.Count(parent, "/") > 1 {
		words = append(words, parent+"/")
	}
	slices.Sort(words)
	return slices.Compact(words)
}

func TestNothingNamesThisMachine(t *testing.T) {
	words := machineWords(t)
	for _, path := range treeFiles(t) {
		if strings.HasPrefix(path, "LICENSES/") {
			continue
		}
		text := read(t, path)
		for _, word := range words {
			if at := strings.Index(text, word); at >= 0 {
				line := strings.Count(text[:at], "\n") + 1
				t.Errorf("%s:%d: %q is this machine's: take it from the machine's own configuration at run time", path, line, word)
			}
		}
	}
}

// The widest lines of a commit message.
const (
	subjectColumns = 72
	bodyColumns    = 80
)

func TestCommitMessages(t *testing.T) {
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		t.Log("no history here, so no messages to check")
		return
	}
	log := exec.Command("git", "log", "--no-merges", "--format=%h%n%B%x00")
	log.Dir = root
	out, err := log.Output()
	if err != nil {
		t.Fatal(err)
	}
	subject := regexp.MustCompile(`^[A-Za-z0-9._/-]+(, [A-Za-z0-9._/-]+)*: \S.*[^.]$`)
	for _, commit := range bytes.Split(bytes.TrimSuffix(out, []byte("\x00\n")), []byte("\x00\n")) {
		lines := strings.Split(strings.TrimSpace(string(commit)), "\n")
		if len(lines) < 4 || lines[2] != "" {
			t.Errorf("%s: a message has a subject, an empty line and a body that says why", lines[0])
			continue
		}
		if !subject.MatchString(lines[1]) {
			t.Errorf("%s: the subject must be \"area: what changes\": %q", lines[0], lines[1])
		}
		if len([]rune(lines[1])) > subjectColumns {
			t.Errorf("%s: a subject has at most %d columns: %q", lines[0], subjectColumns, lines[1])
		}
		for _, line := range lines[2:] {
			if len([]rune(line)) > bodyColumns {
				t.Errorf("%s: a line of the body has at most %d columns: %q", lines[0], bodyColumns, line)
			}
		}
	}
}

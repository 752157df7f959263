// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/shlex"

	"zones/internal/zone"
)

// An example is a command line of a page, with what is typed into it.
type example struct {
	place string   // page and line
	words []string // as the shell would divide them, up to the first pipe
	input []string // lines typed at zonecfg's prompt
}

var (
	shellPrompt = regexp.MustCompile(`^(?:\w*[#$] +)?((?:zonecfg|zoneadm|zlogin|zonename|delegns)(?: .*)?)$`)
	ownPrompt   = regexp.MustCompile(`^zonecfg:[^>]*> ?(.*)$`)
)

// examples reads the literal displays of a page.
func examples(t *testing.T, page string) []example {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var found []example
	literal := false
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.NewReplacer(`\e`, `\`, `\-`, "-", `\&`, "", `\(aq`, "'").Replace(line)
		switch m := shellPrompt.FindStringSubmatch(line); {
		case strings.HasPrefix(line, ".Bd -literal"):
			literal = true
		case line == ".Ed":
			literal = false
		case !literal:
		case m != nil:
			place := fmt.Sprintf("%s:%d", filepath.Base(page), i+1)
			words, err := shlex.Split(m[1])
			if err != nil {
				t.Errorf("%s: %v", place, err)
				continue
			}
			if end := slices.IndexFunc(words, func(w string) bool { return strings.ContainsAny(w[:min(1, len(w))], "|<>&;") }); end >= 0 {
				words = words[:end]
			}
			found = append(found, example{place: place, words: words})
		case len(found) > 0:
			if m := ownPrompt.FindStringSubmatch(line); m != nil {
				last := &found[len(found)-1]
				last.input = append(last.input, m[1])
			}
		}
	}
	return found
}

// TestPageExamples plays what the pages show: zonecfg's sessions in a root of
// their own, in the order of the page; of the other commands it looks whether
// what is asked for exists.
func TestPageExamples(t *testing.T) {
	dir := install(t)
	pages, err := filepath.Glob(filepath.Join(root, "man/*.[1-8]"))
	if err != nil {
		t.Fatal(err)
	}
	played := 0
	for _, page := range pages {
		alternate := t.TempDir()
		if err := os.MkdirAll(filepath.Join(alternate, "etc/zones"), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, e := range examples(t, page) {
			switch e.words[0] {
			case "zonecfg":
				played++
				playZonecfg(t, filepath.Join(dir, "usr/sbin/zonecfg"), alternate, e)
			case "zoneadm":
				checkZoneadm(t, e)
			}
		}
	}
	if played == 0 {
		t.Error("no page has an example of zonecfg: is the pattern still right?")
	}
}

// playZonecfg runs a session below another root. One that reads what a machine
// would have is only looked at.
func playZonecfg(t *testing.T, program, alternate string, e example) {
	t.Helper()
	script := strings.Join(append(slices.Clone(e.words[1:]), e.input...), "\n")
	if strings.Contains(script, "create -a") || slices.Contains(e.words, "-f") {
		return
	}
	paths := strings.NewReplacer("set zonepath=", "set zonepath="+alternate)
	args := []string{"-R", alternate}
	for _, w := range e.words[1:] {
		args = append(args, paths.Replace(w))
	}
	command := exec.Command(program, args...)
	command.Stdin = strings.NewReader(paths.Replace(strings.Join(e.input, "\n") + "\n"))
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%s: %s\n%s: %v\n%s", e.place, strings.Join(e.words, " "), strings.Join(e.input, "\n"), err, out)
	}
}

// checkZoneadm looks for the subcommand, which follows the options.
func checkZoneadm(t *testing.T, e example) {
	t.Helper()
	for i := 1; i < len(e.words); i++ {
		word := e.words[i]
		if word == "-z" || word == "-u" || word == "-R" {
			i++
			continue
		}
		if !slices.ContainsFunc(zone.Verbs(), func(v zone.Verb) bool { return v.String() == word }) {
			t.Errorf("%s: zoneadm has no subcommand %q", e.place, word)
		}
		return
	}
}

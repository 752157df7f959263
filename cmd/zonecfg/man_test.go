// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"zones/internal/schema"
	"zones/internal/syntax"
)

var update = flag.Bool("update", false, "rewrite what is generated")

const manPage = "../../man/zonecfg.8"

// TestManPage holds the tables of the page to the schema; with -update it
// writes them.
func TestManPage(t *testing.T) {
	data, err := os.ReadFile(manPage)
	if err != nil {
		t.Fatal(err)
	}
	page := between(t, string(data), "tables", tables())
	page = between(t, page, "aliases", aliases())
	if *update {
		if err := os.WriteFile(manPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if page != string(data) {
		t.Error("the page's tables are not those of the schema: go test ./cmd/zonecfg -run ManPage -update")
	}
	for _, verb := range syntax.Verbs {
		if !regexp.MustCompile(`(?m)^(\.It |)(Xo\n)?\.?Ic `+verb+`\b`).MatchString(page) && !strings.Contains(page, ".It Ic "+verb) {
			t.Errorf("the page does not explain %s", verb)
		}
	}
}

func between(t *testing.T, page, name, text string) string {
	t.Helper()
	begin, end := `.\" begin `+name+"\n", `.\" end `+name+"\n"
	before, rest, ok1 := strings.Cut(page, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("no place for %s", name)
	}
	return before + begin + text + end + after
}

func tables() string {
	var b strings.Builder
	for _, r := range append([]*schema.Resource{schema.Global}, schema.Resources...) {
		name := r.Name
		if r == schema.Global {
			name = "Properties of the zone"
		}
		fmt.Fprintf(&b, ".Ss %s\n%s\n", name, sentences(r.Help))
		if r.Single && r != schema.Global {
			b.WriteString("There is at most one.\n")
		}
		b.WriteString(".Bl -tag -width Ds\n")
		for _, p := range r.Props {
			b.WriteString(entry(p))
		}
		b.WriteString(".El\n")
	}
	return b.String()
}

func entry(p *schema.Property) string {
	var b strings.Builder
	meta := strings.ToLower(p.Meta)
	if p.Shape == schema.Composites {
		parts := make([]string, len(p.Fields))
		for i, f := range p.Fields {
			parts[i] = f.Name + "=" + f.Name
		}
		meta = "(" + strings.Join(parts, ",") + ")"
	}
	fmt.Fprintf(&b, ".It Cm %s Ns Li = Ns Ar %s%s\n%s\n", p.Name, meta, marks(p), sentences(p.Help))
	if p.Shape != schema.Simple {
		b.WriteString("There may be several.\n")
	}
	if p.Allowed != "" {
		b.WriteString(filled("Its value is " + p.Allowed + "."))
	}
	if p.Default != "" {
		fmt.Fprintf(&b, "The default is\n.Cm %s .\n", p.Default)
	}
	return b.String()
}

func marks(p *schema.Property) string {
	switch {
	case p.Required:
		return " Pq Sy r"
	case p.CanClear:
		return " Pq Sy c"
	}
	return ""
}

func sentences(s string) string { return strings.TrimSuffix(filled(s), "\n") }

// filled breaks text into lines of the page's width.
func filled(s string) string {
	var b strings.Builder
	width := 0
	for _, word := range strings.Fields(s) {
		if width > 0 && width+1+len(word) > 78 {
			b.WriteString("\n")
			width = 0
		}
		if width > 0 {
			b.WriteString(" ")
			width++
		} else if word[0] == '.' || word[0] == '\'' {
			b.WriteString(`\&`)
		}
		b.WriteString(word)
		width += len(word)
	}
	return b.String() + "\n"
}

func aliases() string {
	var b strings.Builder
	for _, r := range append([]*schema.Resource{schema.Global}, schema.Resources...) {
		for _, p := range r.Props {
			if p.Alias != nil {
				fmt.Fprintf(&b, ".It Cm %s Ta Sy %s Ta %s\n", strings.TrimSpace(r.Name+" "+p.Name), p.Alias.Rctl, p.Alias.Action)
			}
		}
	}
	return b.String()
}

// TestManExamples carries out every example of the page.
func TestManExamples(t *testing.T) {
	data, err := os.ReadFile(manPage)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(data), "\n.Sh EXAMPLES\n")
	section, _, _ = strings.Cut(section, "\n.Sh ")
	root := inMemory(t)
	if err := os.MkdirAll(filepath.Join(root, "etc/zones"), 0o755); err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile(`(?s)\.Bd -literal[^\n]*\n(.*?)\.Ed\n`).FindAllStringSubmatch(section+"\n", -1)
	if len(blocks) < 4 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, block := range blocks {
		script := strings.ReplaceAll(block[1], "zonepath=/", "zonepath="+root+"/")
		file := filepath.Join(t.TempDir(), "example.cfg")
		if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("zonecfg", "-R", root, "-z", "db", "-f", file)
		cmd.Dir = t.TempDir()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, script)
		}
	}
}

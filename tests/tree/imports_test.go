// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const importList = "tests/tree/imports.txt"

// A rule is a line of the import list.
type rule struct {
	ours     []string
	outside  []string
	onlyTest bool
	except   map[string]bool // imports let through, and whether that is needed
}

func (r *rule) allows(imported string) bool {
	if _, ok := r.except[imported]; ok {
		r.except[imported] = true
		return true
	}
	return slices.Contains(r.ours, imported) || begins(imported, r.outside)
}

func begins(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") })
}

// readImportList returns the rules by package; that of "tests" is for all tests.
func readImportList(t *testing.T) map[string]*rule {
	t.Helper()
	rules := map[string]*rule{}
	for i, line := range strings.Split(read(t, importList), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		name, allowed, ok := strings.Cut(line, ":")
		if !ok {
			t.Fatalf("%s:%d: no colon", importList, i+1)
		}
		if pkg, ok := strings.CutPrefix(name, "except "); ok {
			imported, why, _ := strings.Cut(allowed, ", because ")
			if rules[pkg] == nil || why == "" {
				t.Fatalf("%s:%d: an exception stands below its package and says: IMPORT, because REASON", importList, i+1)
			}
			rules[pkg].except[strings.TrimSpace(imported)] = false
			continue
		}
		name, onlyTest := strings.CutPrefix(name, "only tests ")
		ours, outside, _ := strings.Cut(allowed, "|")
		r := &rule{ours: strings.Fields(ours), outside: strings.Fields(outside), onlyTest: onlyTest, except: map[string]bool{}}
		if rules[name] != nil {
			t.Fatalf("%s:%d: %s is listed twice", importList, i+1, name)
		}
		for _, o := range r.ours {
			if rules[o] == nil {
				t.Errorf("%s:%d: %s may not import %s, which does not stand above it", importList, i+1, name, o)
			}
		}
		rules[name] = r
	}
	return rules
}

type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
	Module                             struct{ Path string }
}

func listPackages(t *testing.T) []listed {
	t.Helper()
	list := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Module", "./...")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			t.Logf("%s", failed.Stderr)
		}
		t.Fatal(err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// short turns an import path of this module into its name in the list.
func (p listed) short(path string) (name string, ours bool) {
	name, ours = strings.CutPrefix(path, p.Module.Path+"/")
	return strings.TrimPrefix(name, "internal/"), ours
}

func TestImports(t *testing.T) {
	rules := readImportList(t)
	exists, internal, needed := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, p := range listPackages(t) {
		name, _ := p.short(p.ImportPath)
		exists[name] = true
		internal[name] = strings.Contains(p.ImportPath, "/internal/")
		r := rules[name]
		if r == nil {
			t.Errorf("%s is not listed in %s: give it a line below all that it imports, and README's map a word", name, importList)
			continue
		}
		for _, path := range p.Imports {
			imported, ours := p.short(path)
			needed[imported] = needed[imported] || ours
			switch {
			case !ours && !strings.Contains(strings.Split(path, "/")[0], "."): // the standard library
			case ours && rules[imported] != nil && rules[imported].onlyTest:
				t.Errorf("%s imports %s, which is for tests only", name, imported)
			case !r.allows(imported):
				t.Errorf("%s imports %s, which its line in %s does not name: move the code to where it belongs, "+
					"or, when the list is wrong, change it and say why in the commit", name, imported, importList)
			}
		}
		for _, path := range append(p.TestImports, p.XTestImports...) {
			imported, ours := p.short(path)
			if !ours && strings.Contains(strings.Split(path, "/")[0], ".") && !r.allows(imported) && !rules["tests"].allows(imported) {
				t.Errorf("the tests of %s import %s, which neither its line nor that of \"tests\" in %s names", name, imported, importList)
			}
		}
	}
	for name, r := range rules {
		if name != "tests" && !exists[name] {
			t.Errorf("%s is listed in %s, and is no package: remove its line", name, importList)
		}
		if internal[name] && !needed[name] {
			t.Errorf("nothing imports %s: is it dead?", name)
		}
		for imported, needed := range r.except {
			if !needed {
				t.Errorf("%s no longer imports %s: remove the exception from %s", name, imported, importList)
			}
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"go/ast"
	"go/format"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Names that say nothing of what a package holds.
var emptyNames = []string{"base", "common", "helper", "helpers", "misc", "shared", "types", "util", "utils"}

func TestPackages(t *testing.T) {
	type pkg struct{ name, doc string }
	packages := map[string]pkg{}
	for _, f := range goFiles(t) {
		dir := filepath.Dir(f.path)
		p := packages[dir]
		if p.name == "" || !f.test {
			p.name = f.Name.Name
		}
		if f.Doc != nil && !strings.HasSuffix(f.Name.Name, "_test") {
			if p.doc != "" {
				t.Errorf("%s: the package comment stands in two files: keep one", dir)
			}
			p.doc = f.Doc.Text()
		}
		packages[dir] = p
	}
	for dir, p := range packages {
		if slices.Contains(emptyNames, p.name) {
			t.Errorf("%s: a package is named after the one thing it holds, not %q", dir, p.name)
		}
		want := "Package " + p.name + " "
		if p.name == "main" {
			want = strings.ToUpper(filepath.Base(dir)[:1]) + filepath.Base(dir)[1:] + " "
		}
		if !strings.HasPrefix(p.doc, want) {
			t.Errorf("%s: the package comment must begin %q and say what it is and what it is not", dir, want)
		}
	}
}

func TestGofmt(t *testing.T) {
	for _, path := range treeFiles(t) {
		if filepath.Ext(path) != ".go" || fixture(path) {
			continue
		}
		text := read(t, path)
		if formatted, err := format.Source([]byte(text)); err != nil || string(formatted) != text {
			t.Errorf("%s: gofmt -w it (%v)", path, err)
		}
	}
}

// speaksAndExits lists who may write to stderr and end the process besides
// internal/cli and the commands, and why.
var speaksAndExits = map[string]string{}

func TestOnlyCliSpeaksAndExits(t *testing.T) {
	for _, f := range goFiles(t) {
		dir := filepath.Dir(f.path)
		if f.test || dir == "internal/cli" || strings.HasPrefix(dir, "cmd/") || strings.HasPrefix(dir, "tests/") || speaksAndExits[dir] != "" {
			continue
		}
		for _, i := range f.Imports {
			if i.Path.Value == `"log"` {
				t.Errorf("%s: imports log: return an error, internal/cli says it", f.path)
			}
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := s.X.(*ast.Ident)
			if ok && x.Name == "os" && (s.Sel.Name == "Exit" || s.Sel.Name == "Stderr") {
				t.Errorf("%s:%d: os.%s: return an error, internal/cli says it and exits", f.path, f.line(s.Pos()), s.Sel.Name)
			}
			return true
		})
	}
}

func TestErrorsAreNotReadAsText(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test {
			continue // a test may hold a message to its words
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			fn, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := fn.X.(*ast.Ident); !ok || x.Name != "strings" && x.Name != "regexp" {
				return true
			}
			for _, arg := range call.Args {
				if c, ok := arg.(*ast.CallExpr); ok && len(c.Args) == 0 {
					if s, ok := c.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Error" {
						t.Errorf("%s:%d: strings.%s of an error's text: use errors.Is or errors.As", f.path, f.line(n.Pos()), fn.Sel.Name)
					}
				}
			}
			return true
		})
	}
}

func TestOneHeader(t *testing.T) {
	version := regexp.MustCompile(`\b(LINUX_VERSION_CODE|KERNEL_VERSION)\b`)
	for _, path := range treeFiles(t) {
		if filepath.Base(path) == filepath.Base(uapi) && path != uapi {
			t.Errorf("%s: %s is the only copy of the header: include that", path, uapi)
		}
		ext := filepath.Ext(path)
		if (ext == ".c" || ext == ".h") && path != "kmod/compat.h" && version.MatchString(read(t, path)) {
			t.Errorf("%s: kernels differ in kmod/compat.h and nowhere else: give the difference a name there", path)
		}
	}
}

// TestVerbFiles finds the tables of verbs in the commands: an element's "run"
// names the verb's function, and the function's file is named after it.
func TestVerbFiles(t *testing.T) {
	home := map[string]string{} // folder and function, to the file it is in
	for _, f := range goFiles(t) {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				home[filepath.Dir(f.path)+" "+fn.Name.Name] = filepath.Base(f.path)
			}
		}
	}
	for _, f := range goFiles(t) {
		dir := filepath.Dir(f.path)
		if f.test || !strings.HasPrefix(dir, "cmd/") {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			pair, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			key, _ := pair.Key.(*ast.Ident)
			fn, _ := pair.Value.(*ast.Ident)
			if key == nil || key.Name != "run" || fn == nil {
				return true
			}
			if file := home[dir+" "+fn.Name]; file != strings.ToLower(fn.Name)+".go" {
				t.Errorf("%s: the verb %s is in %q: put it into %s.go", dir, fn.Name, file, strings.ToLower(fn.Name))
			}
			return true
		})
	}
}

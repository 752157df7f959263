// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"bufio"
	"fmt"
	"go/ast"
	"path/filepath"
	"strings"
	"testing"
)

// What still fits into a head, in lines: a file, and a function's body.
const (
	goFileLines = 500
	cFileLines  = 600
	funcLines   = 80
	mainLines   = 60
)

// roomier lists what may be larger than the budget, with its ceiling and why.
// A ceiling may only fall. A key is a file, or a file and a function in it
// ("internal/x/y.go f").
var roomier = map[string]struct {
	lines int
	why   string
}{}

func TestSizes(t *testing.T) {
	used := map[string]bool{}
	check := func(key string, lines, budget int) {
		if lines <= budget {
			return
		}
		used[key] = true
		if most := roomier[key].lines; lines > most {
			t.Errorf("%s has %d lines, %d are the budget: divide it, or list it in tests/tree/size_test.go with a ceiling and a reason",
				key, lines, max(budget, most))
		}
	}
	for _, f := range goFiles(t) {
		lines := strings.Count(read(t, f.path), "\n")
		check(f.path, lines, goFileLines)
		if f.path == filepath.Join(filepath.Dir(f.path), "main.go") && strings.HasPrefix(f.path, "cmd/") && lines > mainLines {
			t.Errorf("%s has %d lines, %d are the budget: main only wires", f.path, lines, mainLines)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				check(f.path+" "+fn.Name.Name, f.line(fn.Body.Rbrace)-f.line(fn.Body.Lbrace)-1, funcLines)
			}
		}
	}
	for _, path := range treeFiles(t) {
		if ext := filepath.Ext(path); ext != ".c" && ext != ".h" || fixture(path) {
			continue
		}
		text := read(t, path)
		check(path, strings.Count(text, "\n"), cFileLines)
		for name, lines := range cFunctions(text) {
			check(path+" "+name, lines, funcLines)
		}
	}
	for key := range roomier {
		if !used[key] {
			t.Errorf("%s fits the budget now: remove it from the list in tests/tree/size_test.go", key)
		}
	}
}

// cFunctions measures the functions of a C file in the kernel's style: the
// body stands between lone braces in the first column.
func cFunctions(text string) map[string]int {
	found := map[string]int{}
	var head string
	line, began := 0, 0
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		line++
		switch now := s.Text(); {
		case now == "{":
			began = line
		case now == "}" && began != 0:
			found[cName(head)] = line - began - 1
			began = 0
		case began == 0 && now != "" && !strings.ContainsAny(now[:1], " \t#/*"):
			head = now
		}
	}
	return found
}

// cName is the name of the function whose definition begins with this line.
func cName(head string) string {
	before, _, _ := strings.Cut(head, "(")
	words := strings.FieldsFunc(before, func(r rune) bool { return r == ' ' || r == '*' })
	if len(words) == 0 {
		return fmt.Sprintf("%q", head)
	}
	return words[len(words)-1]
}

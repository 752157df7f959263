// SPDX-License-Identifier: Apache-2.0

// Package tree holds the rules that keep this tree in order, as tests: where
// things are and what may lean on what. It knows nothing of what the product
// does. A rule that fails says what to do about it.
package tree

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The tree stands two levels above this folder.
const root = "../.."

// generated reports whether a file is made by a build and not part of the tree.
func generated(path string) bool {
	switch filepath.Ext(path) {
	case ".o", ".ko", ".mod", ".cmd":
		return true
	}
	base := filepath.Base(path)
	return strings.HasSuffix(base, ".mod.c") || path == "kmod/Module.symvers" || path == "kmod/modules.order"
}

// files lists the files of the tree, relative to its top, without what a build
// leaves there.
var files = sync.OnceValues(func() ([]string, error) {
	var all []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path, _ = filepath.Rel(root, path)
		if path == ".git" || path == "bin" {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.Type().IsRegular() && !generated(path) {
			all = append(all, path)
		}
		return nil
	})
	return all, err
})

func treeFiles(t *testing.T) []string {
	t.Helper()
	all, err := files()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// fixture reports whether a file is data of a test, to which no rule of style
// applies.
func fixture(path string) bool {
	return slices.Contains(strings.Split(path, "/"), "testdata") || strings.HasSuffix(path, ".golden")
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A goFile is a parsed Go file of the tree.
type goFile struct {
	path string
	test bool // a _test.go file
	*ast.File
}

var fileset = token.NewFileSet()

func goFiles(t *testing.T) []goFile {
	t.Helper()
	var parsed []goFile
	for _, path := range treeFiles(t) {
		if filepath.Ext(path) != ".go" || fixture(path) {
			continue
		}
		file, err := parser.ParseFile(fileset, filepath.Join(root, path), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, goFile{path, strings.HasSuffix(path, "_test.go"), file})
	}
	return parsed
}

func (f goFile) line(p token.Pos) int { return fileset.Position(p).Line }

// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// mapLine divides a line of the map into the folder of the top, if it names
// one, the names in it, and what is said of them.
var mapLine = regexp.MustCompile(`^    (?:(\w+)/ +| {12})((?:[\w-]+(?:, |\b))*)(?:   .*|$|.*)`)

// readmeMap returns the folders that README's map lists: an indented block
// whose first column is a folder of the top, the second names in it.
func readmeMap(t *testing.T) map[string]bool {
	t.Helper()
	listed := map[string]bool{}
	_, text, ok := strings.Cut(read(t, "README.md"), "\n## The tree\n\n")
	if !ok {
		t.Fatal(`README.md has no section "The tree"`)
	}
	top := ""
	for _, line := range strings.Split(text, "\n") {
		m := mapLine.FindStringSubmatch(line)
		if m == nil {
			break // the end of the map
		}
		if m[1] != "" {
			top = m[1]
			listed[top] = true
		}
		if top == "kmod" || top == "man" {
			continue // a description stands there at once
		}
		for _, name := range strings.Split(m[2], ", ") {
			if name != "" {
				listed[filepath.Join(top, name)] = true
			}
		}
	}
	return listed
}

func TestReadmeMap(t *testing.T) {
	listed := readmeMap(t)
	for _, top := range []string{"cmd", "internal"} {
		dirs, err := os.ReadDir(filepath.Join(root, top))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, d := range dirs {
			if path := filepath.Join(top, d.Name()); d.IsDir() && !listed[path] {
				t.Errorf("%s is not on README.md's map: give it its place there", path)
			}
		}
	}
}
func TestReadmeLinks(t *testing.T) {
	for _, path := range treeFiles(t) {
		if filepath.Ext(path) != ".md" {
			continue
		}
		for _, m := range regexp.MustCompile(`\]\(([^):#]+)\)`).FindAllStringSubmatch(read(t, path), -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s: link to %s: %v", path, m[1], err)
			}
		}
	}
}

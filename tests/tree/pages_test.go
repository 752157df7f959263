// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPages holds the pages to one another: each command has one, and what one
// page says of another of ours is there, in the section it names.
func TestPages(t *testing.T) {
	section := map[string]string{} // "zoneadm 8" to the page
	for _, path := range treeFiles(t) {
		if name, ok := strings.CutPrefix(path, "man/"); ok {
			ext := filepath.Ext(name)
			section[strings.TrimSuffix(name, ext)+" "+ext[1:]] = path
		}
	}
	ours := map[string]bool{}
	for key := range section {
		name, _, _ := strings.Cut(key, " ")
		ours[name] = true
	}
	commands, err := os.ReadDir(filepath.Join(root, "cmd"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commands {
		if !ours[c.Name()] {
			t.Errorf("cmd/%s has no page in man", c.Name())
		}
		ours[c.Name()] = true
	}
	reference := regexp.MustCompile(`(?m)^\.Xr (\S+) (\d)|\.Xr (\S+) (\d)`)
	for _, path := range section {
		for _, m := range reference.FindAllStringSubmatch(read(t, path), -1) {
			name, number := m[1]+m[3], m[2]+m[4]
			if ours[name] && section[name+" "+number] == "" {
				t.Errorf("%s refers to %s(%s), which is not in man", path, name, number)
			}
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"strconv"
	"testing"

	"zones/internal/schema"
)

// sameWord lists the files in which words that happen to be properties' names
// mean something else, and what they mean there.
var sameWord = map[string]string{
	"cmd/zoneadm/verbs.go":       "the operand of move",
	"internal/delegns/own.go":    "a column of /proc/delegns",
	"internal/control/record.go": "fields of the record of a running zone, a format of its own",
	"internal/image/acl.go":      "the kinds of entries of a POSIX ACL",
	"internal/zfs/dataset.go":    "columns and properties of zfs(8)",
	"internal/zfs/nvlist.go":     "members of a list of the ZFS module",
	"internal/zfs/stats.go":      "members of a list of the ZFS module, and words of zfs(8)",
	"cmd/delegns/run.go":         "an option of the command",
	"tests/kmod/model/agent.go":  "a property of zfs(8)",
}

// TestPropertyNames holds everybody to the typed handles of schema: a name
// that is spelled a second time is a second declaration.
func TestPropertyNames(t *testing.T) {
	properties := map[string]bool{}
	for _, r := range append([]*schema.Resource{schema.Global}, schema.Resources...) {
		for _, p := range r.Props {
			properties[p.Name] = true
		}
	}
	used := map[string]bool{}
	for _, f := range goFiles(t) {
		if f.test || filepath.Dir(f.path) == "internal/schema" {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			if field, ok := n.(*ast.Field); ok {
				field.Tag = nil // the names of another format
			}
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			word, err := strconv.Unquote(lit.Value)
			if err != nil || !properties[word] {
				return true
			}
			used[f.path] = true
			if sameWord[f.path] == "" {
				t.Errorf("%s:%d: %q is a property's name: use its handle in internal/schema; or, where the word "+
					"means something else, name the file in tests/tree/names_test.go", f.path, f.line(lit.Pos()), word)
			}
			return true
		})
	}
	for path := range sameWord {
		if !used[path] {
			t.Errorf("%s: has no such word: remove it from tests/tree/names_test.go", path)
		}
	}
}

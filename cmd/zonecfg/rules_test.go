// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryRule holds us to a case for every rule of zonecfg's behaviour. A
// case in a script stands behind a comment that begins with the rule's name, a
// case that needs a terminal is a subtest of that name.
func TestEveryRule(t *testing.T) {
	data, err := os.ReadFile("testdata/rules.list")
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	mark := regexp.MustCompile(`(?m)^(?:# |\tt\.Run\("|\trule\(t, ")([A-Z]{3}-\d+)\b`)
	for _, file := range append(scripts, "terminal_test.go") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range mark.FindAllStringSubmatch(string(text), -1) {
			named[m[1]] = true
		}
	}
	_, list, _ := strings.Cut(string(data), "\n")
	rules := strings.Fields(list)
	for _, rule := range rules {
		if !named[rule] {
			t.Errorf("no case for %s", rule)
		}
		delete(named, rule)
	}
	for name := range named {
		t.Errorf("a case for %s, which is no rule", name)
	}
}

// SPDX-License-Identifier: Apache-2.0

package zones

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestForm looks at what can be seen of a scenario without a machine.
func TestForm(t *testing.T) {
	scenarios, err := filepath.Glob("*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(scenarios) == 0 {
		t.Fatal("there is no scenario")
	}
	skip := regexp.MustCompile(`(?m)^\s*(\[[^]]*\]\s*)?skip\b`)
	for _, name := range scenarios {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		script := string(txtar.Parse(b).Comment)
		lines := strings.SplitN(script, "\n", 3)
		if !strings.HasPrefix(lines[0], "# SPDX-License-Identifier: ") {
			t.Errorf("%s:1: the licence is wanted here", name)
		}
		if len(lines) < 2 || len(lines[1]) < 10 || !strings.HasPrefix(lines[1], "# ") {
			t.Errorf("%s:2: a comment that says what the scenario shows is wanted here", name)
		}
		if skip.MatchString(script) {
			t.Errorf("%s: a scenario does not skip: the machine has all that it needs", name)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package zones

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// requirements is how many things, by number, existing programs ask of the
// commands: where they are and what environment they need (1), zonecfg's
// language and what it prints (2 to 11), list (12 to 15), prompts (16), -u (17),
// operands (18), the tree of a zone (19), zlogin (20), and files that are read
// without the commands (21, 22).
const requirements = 22

// TestEveryClient holds us to a case for each: a comment that begins with its
// number, in a script of a command or in a scenario.
func TestEveryClient(t *testing.T) {
	var scripts []string
	for _, pattern := range []string{"*.txt", "../../cmd/*/testdata/*.txtar"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		scripts = append(scripts, found...)
	}
	cases := map[int]bool{}
	mark := regexp.MustCompile(`(?m)^# client (\d+):`)
	for _, name := range scripts {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range mark.FindAllStringSubmatch(string(text), -1) {
			n, err := strconv.Atoi(m[1])
			if err != nil || n < 1 || n > requirements {
				t.Errorf("%s: a case for requirement %s, of which there are %d", name, m[1], requirements)
			}
			cases[n] = true
		}
	}
	for n := 1; n <= requirements; n++ {
		if !cases[n] {
			t.Errorf("no case for requirement %d", n)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package names

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestNames compiles the modules' pure logic for user space, with the
// sanitizers, and runs it on tables and on random strings.
func TestNames(t *testing.T) {
	probe := filepath.Join(t.TempDir(), "names")
	out, err := exec.Command("cc", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined",
		"-fno-sanitize-recover=all", "-I../../../kmod/include/uapi", "-o", probe,
		"testdata/names.c", "../../../kmod/name.c", "../../../kmod/zfs/name.c").CombinedOutput()
	if err != nil {
		t.Fatalf("compile: %v\n%s", err, out)
	}
	seed := fmt.Sprint(time.Now().UnixNano())
	if out, err := exec.Command(probe, seed).CombinedOutput(); err != nil {
		t.Fatalf("seed %s: %v\n%s", seed, err, out)
	}
}

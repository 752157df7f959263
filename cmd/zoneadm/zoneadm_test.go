// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"zones/internal/unpacker"
	"zones/internal/zone"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"zoneadm": main})
}

// TestScripts plays the scripts of testdata, each on an alternate root of its
// own: no zone of the machine is touched, and none of them needs root unless
// it says so.
func TestScripts(t *testing.T) {
	program := filepath.Join(t.TempDir(), unpacker.Program)
	if out, err := exec.Command("go", "build", "-o", program, "zones/cmd/zoneunpack").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: false,
		Condition: func(word string) (bool, error) {
			return word == "root" && os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status},
		Setup: func(e *testscript.Env) error {
			e.Setenv("R", e.WorkDir)
			// It is looked for beside zoneadm.
			beside := filepath.Join(filepath.SplitList(e.Getenv("PATH"))[0], unpacker.Program)
			if err := os.Symlink(program, beside); err != nil && !errors.Is(err, os.ErrExist) {
				return err
			}
			return os.Chmod(e.WorkDir, 0o755)
		},
	})
}

// status runs a command and compares its exit status, which "!" cannot tell
// apart: status 2 zoneadm -x.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: status N program [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := err.(*exec.ExitError); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("%s: status %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// TestTable holds the table of verbs to the words of package zone and to the
// files, and its texts to a terminal's width.
func TestTable(t *testing.T) {
	for i := range verbs {
		v := &verbs[i]
		if lookup(v.name()) != v {
			t.Errorf("%s stands twice in the table", v.name())
		}
		if v.private != (v.id > zone.Mark) {
			t.Errorf("%s: private is %v", v.name(), v.private)
		}
		for _, line := range strings.Split(v.usage(), "\n") {
			if len(line) > 100 {
				t.Errorf("usage of %s has a line of %d characters", v.name(), len(line))
			}
		}
		if _, err := os.Stat(v.name() + ".go"); err != nil {
			t.Error(err)
		}
	}
}

// TestManual finds each verb and option of the table in the page.
func TestManual(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "man", "zoneadm.8"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	for i := range verbs {
		v := &verbs[i]
		if found := strings.Contains(page, "\n.It Ic "+v.name()+"\n") || strings.Contains(page, "\n.It Ic "+v.name()+" "); found == v.private {
			t.Errorf("%s: documented is %v, private %v", v.name(), found, v.private)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

//go:build vm

package zones

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var dir = flag.String("scenarios", ".", "`directory` of the scenarios, for as many machines as play them")

const (
	miniImage   = "/images/mini.tar.zst"
	debianImage = "/images/debian.tar.zst"
)

// settle is how long what a scenario ended may take to be gone.
const settle = 10 * time.Second

func TestScenarios(t *testing.T) {
	clean, err := takeState()
	if err != nil {
		t.Fatal(err)
	}
	play := testscript.Params{
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("MINI", miniImage)
			env.Setenv("DEBIAN", debianImage)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("LANG", "C.UTF-8")
			scenario := env.T().(testing.TB)
			env.Defer(func() { sweep(scenario, clean) })
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"cut-off":        cutOff,
			"exits":          exits,
			"until":          until,
			"images":         images,
			"mini":           mini,
			"remove":         remove,
			"zonecfg-script": zonecfgScript,
		},
	}
	for _, name := range scenarios(t) {
		if taken(t, name) {
			play.Files = []string{name}
			testscript.RunT(oneByOne{t}, play)
		}
	}
}

// oneByOne plays scenarios one after the other: the machine is one.
type oneByOne struct{ *testing.T }

func (oneByOne) Parallel()     {}
func (oneByOne) Verbose() bool { return testing.Verbose() }

func (o oneByOne) Run(name string, play func(testscript.T)) {
	o.T.Run(name, func(t *testing.T) { play(oneByOne{t}) })
}

func scenarios(t *testing.T) []string {
	all, err := filepath.Glob(filepath.Join(*dir, "*.txt"))
	if err != nil || len(all) == 0 {
		t.Fatalf("no scenarios in %s: %v", *dir, err)
	}
	return all
}

// taken takes a scenario for this machine, if no other one has it: whoever is
// done with his takes the next.
func taken(t *testing.T, name string) bool {
	err := os.Mkdir(strings.TrimSuffix(name, ".txt")+".taken", 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	return err == nil
}

// sweep fails the scenario for what it left, and removes that.
func sweep(t testing.TB, clean state) {
	revive()
	var left []string
	for end := time.Now().Add(settle); ; time.Sleep(200 * time.Millisecond) {
		now, err := takeState()
		if err != nil {
			t.Error(err)
			return
		}
		if left = now.without(clean); len(left) == 0 {
			return
		}
		// What a failed scenario left is no news.
		if t.Failed() || time.Now().After(end) {
			break
		}
	}
	if !t.Failed() {
		t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
	if err := restore(clean); err != nil {
		t.Errorf("cannot clean up, later scenarios may suffer: %v", err)
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		e, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = e.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// patience is how much longer than a machine with nothing else to do a machine
// may take.
const patience = 4

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until SECONDS COMMAND [ARG...]")
	}
	seconds, err := strconv.Atoi(args[0])
	ts.Check(err)
	end := time.Now().Add(patience * time.Duration(seconds) * time.Second)
	for {
		out, err := exec.Command(args[1], args[2:]...).CombinedOutput()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("after %d s still: %v: %s", patience*seconds, err, out)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func zonecfgScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: zonecfg-script ZONE FILE")
	}
	ts.Check(ts.Exec("zonecfg", "-z", args[0], "-f", ts.MkAbs(args[1])))
}

func mini(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: mini ZONE [DATASET...]")
	}
	script := "create\nset zonepath=/tank/zones/" + args[0] + "\n"
	for _, name := range args[1:] {
		ts.Check(ts.Exec("zfs", "create", "-p", name))
		script += "add dataset\nset name=" + name + "\nend\n"
	}
	file := ts.MkAbs(args[0] + ".zonecfg")
	ts.Check(os.WriteFile(file, []byte(script+"verify\ncommit\n"), 0o600))
	ts.Check(ts.Exec("zonecfg", "-z", args[0], "-f", file))
	ts.Check(ts.Exec("zoneadm", "-z", args[0], "install", "-a", miniImage))
}

func remove(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: remove ZONE")
	}
	out, err := exec.Command("zoneadm", "-z", args[0], "list", "-p").Output()
	ts.Check(err)
	fields := strings.Split(string(out), ":")
	if len(fields) > 2 && (fields[2] == "running" || fields[2] == "ready") {
		ts.Check(ts.Exec("zoneadm", "-z", args[0], "halt"))
	}
	if len(fields) > 2 && fields[2] != "configured" {
		ts.Check(ts.Exec("zoneadm", "-z", args[0], "uninstall", "-F"))
	}
	ts.Check(ts.Exec("zonecfg", "-z", args[0], "delete", "-F"))
}

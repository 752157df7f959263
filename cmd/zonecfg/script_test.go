// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"zones/internal/store"
	"zones/internal/zone"
	"zones/tests/kill"
)

// TestMain makes this binary zonecfg when a script calls it so. The machine
// around it is what the script's environment says: which zone is active, and
// whether the program runs in a zone.
func TestMain(m *testing.M) {
	if step, root := kill.Step(); step != "" {
		os.Args = append([]string{"zonecfg", "-R", root}, steps[step](root)...)
		main()
	}
	program := func() {
		if state := os.Getenv("ACTIVE"); state != "" {
			kernelState = func(*facts, zone.Name) (zone.State, bool) {
				st, err := zone.ParseState(state)
				return st, err == nil
			}
		}
		if uid, err := strconv.Atoi(os.Getenv("AS_UID")); err == nil {
			if err := syscall.Setuid(uid); err != nil {
				panic(err)
			}
		}
		inZone = func() bool { return os.Getenv("IN_ZONE") != "" }
		main()
	}
	testscript.Main(m, map[string]func(){"zonecfg": program, "zcfg": program})
}

// TestScripts runs the scripts of testdata. $R is an alternate root of the
// script's own, also in files and in quotes. The commands are
//
//	z STATUS ARGS...      zonecfg -R $R ARGS..., which must exit with STATUS
//	x STATUS ARGS...      zonecfg ARGS...
//	out TEXT, err TEXT    the whole output must be TEXT; \n and \t are escapes
//	outhas, errhas TEXT   the output contains TEXT; outlacks, errlacks: it does not
//	zone NAME...          make configured zones with a zonepath and nothing else
//	state NAME STATE      give a zone a state
//	together NAME A B TEXT
//	                      begin a session, carry B out in another, then A in
//	                      the first, which must fail with TEXT
//	trim FILE             take the last newline from a file
//	crlf FILE             end its lines as DOS does
//	readonly, writable    what the configuration is from here on
//	uuid NAME VAR         set the variable to a zone's UUID
//	same NAME             the zone's file is as it was at the last "keep NAME"
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		WorkdirRoot:         inMemory(t),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"z": func(ts *testscript.TestScript, _ bool, args []string) {
				zonecfg(ts, args[0], append([]string{"-R", ts.Getenv("R")}, args[1:]...))
			},
			"x":        func(ts *testscript.TestScript, _ bool, args []string) { zonecfg(ts, args[0], args[1:]) },
			"out":      func(ts *testscript.TestScript, _ bool, args []string) { exactly(ts, "stdout", args) },
			"err":      func(ts *testscript.TestScript, _ bool, args []string) { exactly(ts, "stderr", args) },
			"outhas":   func(ts *testscript.TestScript, _ bool, args []string) { contains(ts, "stdout", args, true) },
			"errhas":   func(ts *testscript.TestScript, _ bool, args []string) { contains(ts, "stderr", args, true) },
			"outlacks": func(ts *testscript.TestScript, _ bool, args []string) { contains(ts, "stdout", args, false) },
			"errlacks": func(ts *testscript.TestScript, _ bool, args []string) { contains(ts, "stderr", args, false) },
			"zone":     makeZones,
			"state":    setState,
			"keep":     keep,
			"uuid": func(ts *testscript.TestScript, _ bool, args []string) {
				entry, err := store.Open(ts.Getenv("R")).Lookup(zone.Name(args[0]))
				ts.Check(err)
				ts.Setenv(args[1], entry.UUID.String())
			},
			"together": together,
			"trim":     trim,
			"crlf":     crlf,
			"readonly": func(ts *testscript.TestScript, _ bool, _ []string) { protect(ts, 0o555, 0o444) },
			"writable": func(ts *testscript.TestScript, _ bool, _ []string) { protect(ts, 0o755, 0o644) },
			"same":     same,
		},
	})
}

func setup(env *testscript.Env) error {
	root := filepath.Join(env.WorkDir, "root")
	env.Setenv("R", root)
	env.Setenv("HOME", env.WorkDir)
	if err := os.MkdirAll(filepath.Join(root, "etc/zones"), 0o755); err != nil {
		return err
	}
	return filepath.WalkDir(env.WorkDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(data), "$R") {
			return err
		}
		return os.WriteFile(path, []byte(strings.ReplaceAll(string(data), "$R", root)), 0o644)
	})
}

func zonecfg(ts *testscript.TestScript, want string, args []string) {
	for i, a := range args {
		args[i] = unescape(ts, a)
	}
	err := ts.Exec("zonecfg", args...)
	status := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(status) != want {
		ts.Fatalf("exit status %d, want %s", status, want)
	}
}

func unescape(ts *testscript.TestScript, s string) string {
	s = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\r`, "\r", `\\`, `\`).Replace(s)
	return strings.ReplaceAll(s, "$R", ts.Getenv("R"))
}

func exactly(ts *testscript.TestScript, stream string, args []string) {
	want := unescape(ts, strings.Join(args, " "))
	if want != "" {
		want += "\n"
	}
	if got := ts.ReadFile(stream); got != want {
		ts.Fatalf("%s is\n%q, want\n%q", stream, got, want)
	}
}

func contains(ts *testscript.TestScript, stream string, args []string, want bool) {
	text := unescape(ts, strings.Join(args, " "))
	if got := ts.ReadFile(stream); strings.Contains(got, text) != want {
		ts.Fatalf("%s is\n%s\ncontains %q: want %v", stream, got, text, want)
	}
}

func together(ts *testscript.TestScript, _ bool, args []string) {
	root := ts.Getenv("R")
	first := exec.Command("zonecfg", "-R", root, "-z", args[0])
	first.Env = append(os.Environ(), "PATH="+ts.Getenv("PATH"))
	in, err := first.StdinPipe()
	ts.Check(err)
	out, err := first.StdoutPipe()
	ts.Check(err)
	var stderr strings.Builder
	first.Stderr = &stderr
	ts.Check(first.Start())
	_, err = io.WriteString(in, "info\n")
	ts.Check(err)
	_, err = bufio.NewReader(out).ReadString('\n')
	ts.Check(err)
	ts.Check(ts.Exec("zonecfg", "-R", root, "-z", args[0], args[1+1]))
	_, err = io.WriteString(in, args[1]+"\n")
	ts.Check(err)
	ts.Check(in.Close())
	_, _ = io.Copy(io.Discard, out)
	err = first.Wait()
	if text := unescape(ts, args[3]); err == nil || !strings.Contains(stderr.String(), text) {
		ts.Fatalf("%v: %s\nwant %s", err, stderr.String(), text)
	}
}

func trim(ts *testscript.TestScript, _ bool, args []string) {
	text := strings.TrimSuffix(ts.ReadFile(args[0]), "\n")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

func crlf(ts *testscript.TestScript, _ bool, args []string) {
	text := strings.ReplaceAll(ts.ReadFile(args[0]), "\n", "\r\n")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

// protect sets the modes of the configuration. Root may write whatever the mode
// is, so for root the commands that follow run as nobody.
func protect(ts *testscript.TestScript, dir, file os.FileMode) {
	base := filepath.Join(ts.Getenv("R"), "etc/zones")
	entries, err := os.ReadDir(base)
	ts.Check(err)
	for _, e := range entries {
		ts.Check(os.Chmod(filepath.Join(base, e.Name()), file))
	}
	ts.Check(os.Chmod(base, dir))
	nobody := ""
	if os.Getuid() == 0 && dir&0o200 == 0 {
		nobody = "65534"
		for d := ts.MkAbs("."); d != "/"; d = filepath.Dir(d) {
			st, err := os.Stat(d)
			ts.Check(err)
			if st.Mode()&0o011 != 0o011 {
				ts.Check(os.Chmod(d, st.Mode()|0o011))
			}
		}
	}
	ts.Setenv("AS_UID", nobody)
}

func makeZones(ts *testscript.TestScript, _ bool, names []string) {
	for _, n := range names {
		ts.Check(ts.Exec("zonecfg", "-R", ts.Getenv("R"), "-z", n, "create -F -b; set zonepath="+ts.Getenv("R")+"/zones/"+n))
	}
}

func setState(ts *testscript.TestScript, _ bool, args []string) {
	st, err := zone.ParseState(args[1])
	ts.Check(err)
	_, err = store.Open(ts.Getenv("R")).SetState(zone.Name(args[0]), st)
	ts.Check(err)
}

func zoneFile(ts *testscript.TestScript, name string) string {
	return filepath.Join(ts.Getenv("R"), "etc/zones", name+".xml")
}

func keep(ts *testscript.TestScript, _ bool, args []string) {
	data, err := os.ReadFile(zoneFile(ts, args[0]))
	ts.Check(err)
	ts.Setenv("KEPT_"+args[0], string(data))
}

func same(ts *testscript.TestScript, _ bool, args []string) {
	data, err := os.ReadFile(zoneFile(ts, args[0]))
	ts.Check(err)
	if string(data) != ts.Getenv("KEPT_"+args[0]) {
		ts.Fatalf("%s is\n%s, want\n%s", args[0], data, ts.Getenv("KEPT_"+args[0]))
	}
}

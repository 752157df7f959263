// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"
	"testing"

	"zones/internal/zone"
)

// row is a command with what it must say, in whatever mode it comes.
type row struct {
	script  string
	message string // part of the output; empty: nothing is said
	fails   bool   // the session exits 1
	located bool   // in file modes the message is preceded by its line
}

// line marks rows whose message is preceded by its line; syntax and usage errors
// name theirs themselves.
const line = true

var rows = []row{
	{"add", "usage:\nadd <resource-type>", true, !line},
	{"add fs\ncancel", "", false, !line},
	{"add nosuch", "usage:\nadd", true, !line},
	{"add options ro", "usage:\nadd", true, !line},
	{"cancel", "The cancel command only makes sense in the resource scope.", true, line},
	{"clear pool", "", false, !line},
	{"clear zonepath", "zonepath: Clearing this property is not allowed", true, line},
	{"clear max-lwps", "clear max-lwps: No such entry", true, line},
	{"commit", "", false, !line},
	{"create -F -b\nset zonepath=$R/zones/z", "Zone z already exists; overwriting.", false, !line},
	{"end", "The end command only makes sense in the resource scope.", true, line},
	{"add fs\nend\ncancel", "dir not specified\n", true, line},
	{"exit", "", false, !line},
	{"exit -F", "", false, !line},
	{"set pool=a\nexit", "", false, !line},
	{"export", "create -b\nset zonepath=", false, !line},
	{"help", "Commands:\n", false, !line},
	{"help commit", "usage:\ncommit\n", false, !line},
	{"help nosuch", "Unknown help subject nosuch.  ", false, !line},
	{"info", "zonename: z\n", false, !line},
	{"info net", "", false, !line},
	{"info fs dir=/x", "No such fs resource.\n", false, !line},
	{"add net\ninfo\ncancel", "net:\n\taddress not specified\n", false, !line},
	{"remove net", "remove net: No such entry", true, line},
	{"remove -F attr", "", false, !line},
	{"remove security-flags", "remove security-flags: No such resource type", false, line},
	{"revert -F", "", false, !line},
	{"select attr name=one\ncancel", "", false, !line},
	{"select attr name=three", "select attr: No such resource with that id", true, line},
	{"select attr type=int", "select attr: Insufficient specification", true, line},
	{"set pool=a", "", false, !line},
	{"set autoboot=x", "autoboot value must be 'true' or 'false'.", true, line},
	{"set dir=/a", "Cannot set a resource-specific property from the global scope.", true, line},
	{"set pool=[a,b]", "A simple value was expected here.", true, line},
	{"add rctl\nset name=bad\ncancel", "'bad' is not a valid zone rctl name.", false, line},
	{"verify", "", false, !line},
	{"frob", "syntax error", true, !line},
	{"commit x", "usage:\ncommit\n", true, !line},
	{"set limitpriv=frob\nverify\nclear limitpriv", "z: invalid privilege: frob", false, line},
	{"add dedicated-cpu\nset ncpus=1\nend\nadd dedicated-cpu\nremove dedicated-cpu", "The dedicated-cpu resource already exists.", false, line},
}

// modeEnv is a session on a root that has zone z with two attrs.
func modeEnv(t *testing.T, mode Mode, script string) (Env, func() string) {
	t.Helper()
	env, out := testEnv(t, Operands, "")
	env.Input = strings.NewReader("create -b\nset zonepath=" + env.Store.Root() + "/zones/z\n" +
		"add attr;set name=one;set type=int;set value=1;end\nadd attr;set name=two;set type=int;set value=2;end\n")
	if status := New(env).Run(); status != 0 {
		t.Fatal(out)
	}
	out.Reset()
	env.Mode = mode
	env.Input = strings.NewReader(strings.ReplaceAll(script, "$R", env.Store.Root()))
	return env, out.String
}

// TestEveryMode carries the same commands out in each of the modes: they say
// the same, but for the line in file modes, and end with the same status.
func TestEveryMode(t *testing.T) {
	for _, mode := range []Mode{Operands, File, Pipe, Dash, Terminal} {
		for _, r := range rows {
			script := r.script
			if r.script == "revert -F" {
				script = "info pool\n" + script // some modes load lazily
			}
			env, output := modeEnv(t, mode, script+"\n")
			status := New(env).Run()
			got := output()
			if status != 0 != r.fails {
				t.Errorf("mode %d, %q: status %d, output %q", mode, r.script, status, got)
			}
			if r.message == "" && strings.TrimPrefix(got, "pool: \n") != "" || !strings.Contains(got, r.message) {
				t.Errorf("mode %d, %q: %q, want %q", mode, r.script, got, r.message)
			}
			located := strings.Contains(got, "On line ")
			if want := r.located && (mode == File || mode == Dash); located != want {
				t.Errorf("mode %d, %q: %q: names its line: %v", mode, r.script, got, located)
			}
			if e, err := env.Store.Lookup("z"); err != nil || e.State != zone.Configured {
				t.Errorf("mode %d, %q: zone z is gone: %v", mode, r.script, err)
			}
		}
	}
}

// TestAfterAnError tells the modes apart: only a file is left at the first
// error that counts, and what was complete is stored in all of them.
func TestAfterAnError(t *testing.T) {
	for mode, reached := range map[Mode]bool{Operands: true, File: false, Pipe: true, Dash: true, Terminal: true} {
		env, output := modeEnv(t, mode, "set pool=before\nset autoboot=x\nset bootargs=after\n")
		if status := New(env).Run(); status != 1 {
			t.Errorf("mode %d: status %d: %s", mode, status, output())
		}
		c, _, err := env.Store.Load("z")
		if err != nil {
			t.Fatal(err)
		}
		text, _ := Export(c, "")
		if !strings.Contains(text, "set pool=before\n") || strings.Contains(text, "set bootargs=after\n") != reached {
			t.Errorf("mode %d: stored is %s", mode, text)
		}
	}
}

// TestExitAndTheRest: words of the command line are carried out even behind
// exit, a terminal honours it at the end of the line, the others at once.
func TestExitAndTheRest(t *testing.T) {
	for mode, want := range map[Mode]string{Operands: "c", File: "a", Pipe: "a", Dash: "a", Terminal: "b"} {
		env, output := modeEnv(t, mode, "set pool=a;exit;set pool=b\nset pool=c\n")
		in := strings.NewReader("set pool=a;exit;set pool=b\nset pool=c\n")
		env.Input = in
		env.AtLineEnd = func() bool { return in.Len() == len("set pool=c\n") || in.Len() == 0 }
		if status := New(env).Run(); status != 0 {
			t.Errorf("mode %d: status %d: %s", mode, status, output())
		}
		c, _, err := env.Store.Load("z")
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := Export(c, ""); !strings.Contains(text, "set pool="+want+"\n") {
			t.Errorf("mode %d: stored is %s, want pool %s", mode, text, want)
		}
	}
}

// TestQuestions answers each question, or cannot.
func TestQuestions(t *testing.T) {
	for _, q := range []struct {
		script, question, answer string
		status                   int
		says                     string
	}{
		{"create\n", "Zone z already exists; create anyway (y/[n])? ", "n", 0, ""},
		{"create -b;set zonepath=$R/q\n", "Zone z already exists; create anyway (y/[n])? ", "Yes", 0, ""},
		{"delete\n", "Are you sure you want to delete zone z (y/[n])? ", "", 0, ""},
		{"delete\n", "Are you sure you want to delete zone z (y/[n])? ", "y", 0, ""},
		{"info pool;revert\n", "Are you sure you want to revert (y/[n])? ", "n", 0, ""},
		{"remove attr\n", "Are you sure you want to remove ALL 'attr' resources (y/[n])? ", "y", 0, ""},
		{"add net\n", "Resource incomplete; really quit (y/[n])? ", "y", 0, ""},
		{"add net;exit\n", "Resource incomplete; really quit (y/[n])? ", "y", 1, ""},
		{"set limitpriv=x\n", "Configuration not saved; really quit (y/[n])? ", "y", 1, "z: invalid privilege: x"},
	} {
		env, output := modeEnv(t, Terminal, q.script)
		env.MayAsk = true
		var asked []string
		env.Answer = func(question string) (string, error) {
			asked = append(asked, question)
			return q.answer, nil
		}
		if status := New(env).Run(); status != q.status || len(asked) != 1 || asked[0] != q.question || !strings.Contains(output(), q.says) {
			t.Errorf("%q, answer %q: status %d, asked %q: %s", q.script, q.answer, status, asked, output())
		}
	}
}

// TestStates is what can be done to a zone in each state.
func TestStates(t *testing.T) {
	const refused = "not allowed"
	for _, c := range []struct {
		script string
		says   map[zone.State]string // empty: it works
		fails  zone.State            // the state from which on the session fails
	}{
		{"create -F -b;set zonepath=$R/n\n", map[zone.State]string{zone.Installed: refused, zone.Running: refused}, 99},
		{"set zonepath=$R/n\n", map[zone.State]string{zone.Installed: refused, zone.Running: refused}, 99},
		{"set brand=lx\n", map[zone.State]string{zone.Installed: refused, zone.Running: refused}, 99},
		{"set -F zonepath=$R/n\n", nil, 99},
		{"set zonename=n\n", map[zone.State]string{zone.Running: "n: Zone state is invalid for the requested operation"}, zone.Ready},
		{"delete -F\n", map[zone.State]string{zone.Running: "z: Zone state is invalid for the requested operation"}, zone.Ready},
		{"set pool=a\n", nil, 99},
	} {
		for _, st := range []zone.State{zone.Configured, zone.Incomplete, zone.Installed, zone.Running} {
			env, output := modeEnv(t, File, c.script)
			if _, err := env.Store.SetState("z", min(st, zone.Installed)); err != nil {
				t.Fatal(err)
			}
			if st >= zone.Ready {
				env.Facts = active{state: st}
			}
			status := New(env).Run()
			if status != 0 != (st >= c.fails) {
				t.Errorf("%v, %q: status %d: %s", st, c.script, status, output())
			}
			// Scripts look for these words, and take nothing else for a refusal.
			if got := output(); !strings.Contains(got, c.says[st]) || c.says[st] != refused && strings.Contains(got, refused) {
				t.Errorf("%v, %q: %q, want %q", st, c.script, got, c.says[st])
			}
		}
	}
}

// active is a machine on which zone z is active.
type active struct {
	plainFacts
	state zone.State
}

func (a active) State(name zone.Name) (zone.State, bool) { return a.state, name == "z" }

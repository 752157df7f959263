// SPDX-License-Identifier: Apache-2.0

//go:build vm

package zones

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var (
	every = flag.Int("every", 8, "cut programs off in every `n`-th place only; 1 for all")
	seed  = flag.Int("seed", rand.Intn(1<<16), "which places are visited when not all are")
)

// killEnv names the place in which a program kills itself, as OPERATION.NUMBER.
const killEnv = "_ZONEADM_KILL_BEFORE"

// A cut is an operation during which a program is killed.
type cut struct {
	operation string // as the program counts its places
	from      string // state before
	verb      string // what is asked for
	running   bool   // the program to be killed runs since the zone was booted
}

const (
	supervised = "zoneadmd-"
	installed  = "installed"
	running    = "running"
)

var cuts = []cut{
	{"ready", installed, "ready", false}, {supervised + "ready", installed, "ready", false},
	{"boot", installed, "boot", false}, {supervised + "boot", installed, "boot", false},
	{"reboot", running, "reboot", false}, {supervised + "reboot", running, "reboot", true},
	{"halt", running, "halt", false}, {supervised + "halt", running, "halt", true},
	{supervised + "shutdown", running, "shutdown", true}, {supervised + "end", running, "shutdown", true},
	{"mount", installed, "mount", false}, {supervised + "mount", installed, "mount", false},
}

// wanted is the state that the verb leads to.
func (c cut) wanted() string {
	return map[string]string{"ready": "ready", "boot": running, "reboot": running, "mount": "mounted"}[c.verb]
}

// again is the one command that, after the cut, leads from a state to the one
// that is wanted.
func (c cut) again(state string) string {
	switch {
	case c.wanted() == "":
		return "halt"
	case c.verb == "reboot" && slices.Contains([]string{installed, "ready", running}, state):
		return "boot"
	}
	return c.verb
}

// A cutter visits places with one zone.
type cutter struct {
	zone   string
	clean  []string // what was there before
	places int
}

func (z *cutter) zoneadm(env string, args ...string) (string, error) {
	// What waits for ever is a failure as well.
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "zoneadm", append([]string{"-z", z.zone}, args...)...)
	cmd.WaitDelay = time.Second
	var there string
	cmd.Cancel = func() error {
		there = who()
		return cmd.Process.Signal(syscall.SIGABRT) // it says what it waits for
	}
	if env != "" {
		cmd.Env = append(os.Environ(), killEnv+"="+env)
	}
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("zoneadm %v with %q does not end: %s\nthere are\n%s", args, env, out, there)
	}
	return string(out), err
}

// who are the processes that are there, what they wait for, and which locks
// they hold.
func who() string {
	out, err := exec.Command("sh", "-c", `ps -eo pid,ppid,stat,wchan:24,etimes,args | grep -v '\[.*\]$'
		for p in $(pgrep 'zone|zfs'); do for t in /proc/$p/task/*; do echo $t; cat $t/stack; done; done
		cat /proc/locks; ls -li /run/zones; true`).CombinedOutput()
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func (z *cutter) state() string {
	out, err := z.zoneadm("", "list", "-p")
	if f := strings.Split(out, ":"); err == nil && len(f) > 2 {
		return f[2]
	}
	return "unknown: " + out
}

// must has a command succeed and lead to a state.
func (z *cutter) must(verb, state string) error {
	if out, err := z.zoneadm("", verb); err != nil {
		return fmt.Errorf("%s: %w: %s", verb, err, out)
	}
	if got := z.state(); got != state {
		return fmt.Errorf("%s leads to %s, not %s", verb, got, state)
	}
	return nil
}

// things are what a zone could leave on the machine, but for datasets.
func things() ([]string, error) {
	var all []string
	for kind, list := range map[string]func() ([]string, error){
		"process": processes, "mount": mounts, "cgroup": cgroups, "delegation namespace": delegations,
		"link":              func() ([]string, error) { return names("/sys/class/net") },
		"network namespace": func() ([]string, error) { return names("/run/netns") },
		"state file":        func() ([]string, error) { return names("/run/zones") },
		"configuration":     func() ([]string, error) { return names("/etc/zones") },
	} {
		found, err := list()
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			if !stays(kind, name) {
				all = append(all, kind+" "+name)
			}
		}
	}
	return all, nil
}

// leftovers waits for what is about to go, and tells what is there still.
func (z *cutter) leftovers() error {
	for end := time.Now().Add(settle); ; time.Sleep(20 * time.Millisecond) {
		now, err := things()
		if err != nil {
			return err
		}
		now = slices.DeleteFunc(now, func(t string) bool { return slices.Contains(z.clean, t) })
		if len(now) == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("left behind: %s", strings.Join(now, "; "))
		}
	}
}

// visit cuts the operation off in place n. It reports whether there is such a
// place.
func (z *cutter) visit(c cut, n int) (bool, error) {
	place := fmt.Sprintf("%s.%d", c.operation, n)
	atStart, atVerb := "", place
	if c.running {
		atStart, atVerb = place, ""
	}
	if c.from == running {
		if out, err := z.zoneadm(atStart, "boot"); err != nil {
			return false, fmt.Errorf("boot: %w: %s", err, out)
		}
	}
	out, err := z.zoneadm(atVerb, c.verb)
	var exit *exec.ExitError
	killed := errors.As(err, &exit)
	if killed && !strings.HasPrefix(c.operation, supervised) {
		status, _ := exit.Sys().(syscall.WaitStatus)
		killed = status.Signaled()
	}
	if err != nil && !killed {
		return false, fmt.Errorf("%s: %w: %s", c.verb, err, out)
	}
	state := z.state()
	if killed && !slices.Contains([]string{installed, "ready", running, "mounted", "shutting_down", "down"}, state) {
		return true, fmt.Errorf("state %s", state)
	}
	last := "halt"
	if want := c.wanted(); want != "" {
		if err := z.again(c, state, want); err != nil {
			return killed, err
		}
		if want == "mounted" {
			last = "unmount"
		}
	}
	if err := z.must(last, installed); err != nil {
		return killed, err
	}
	return killed, z.leftovers()
}

// again leads to the wanted state by one command. A supervisor that goes on
// after zoneadm was killed may get there first.
func (z *cutter) again(c cut, state, want string) error {
	out, err := z.zoneadm("", c.again(state))
	for end := time.Now().Add(settle); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if z.state() == want {
			return nil
		}
	}
	return fmt.Errorf("from state %s %s leads to %s, not %s: %v: %s", state, c.again(state), z.state(), want, err, out)
}

// reset makes a new beginning after a failure.
func (z *cutter) reset() error {
	for _, verb := range []string{"halt", "unmount"} {
		_, _ = z.zoneadm("", verb)
	}
	if got := z.state(); got != installed {
		return fmt.Errorf("the zone remains %s", got)
	}
	var err error
	z.clean, err = things()
	return err
}

// cutOff kills zoneadm and zoneadmd in the places of all operations on a zone
// that is installed.
func cutOff(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: cut-off ZONE")
	}
	z := &cutter{zone: args[0]}
	var err error
	z.clean, err = things()
	ts.Check(err)
	ts.Logf("every %d places, seed %d", *every, *seed)
	const most = 200 // or the program does not get on
	failed := 0
	for _, c := range cuts {
		n, was := *seed%*every, z.places
		for ; n < most; n += *every {
			killed, err := z.visit(c, n)
			if err != nil {
				// The others are of interest all the same.
				failed++
				ts.Logf("%s.%d: %v", c.operation, n, err)
				if ts.Check(z.reset()); failed >= 5 {
					ts.Fatalf("that was the fifth")
				}
				continue
			}
			if !killed {
				break
			}
			z.places++
		}
		if n >= most && *every < most {
			ts.Fatalf("%s never ends", c.operation)
		}
		ts.Logf("%s: %d places", c.operation, z.places-was)
	}
	if failed > 0 {
		ts.Fatalf("%d places failed", failed)
	}
	fmt.Fprintf(ts.Stdout(), "%d places\n", z.places)
}

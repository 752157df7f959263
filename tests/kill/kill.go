// SPDX-License-Identifier: Apache-2.0

// Package kill has a test binary run itself again to make one step, under
// strace, and ends or disturbs it at each system call of that step. What must
// hold afterwards is for the test to say; this package knows no zone.
package kill

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
)

const (
	stepEnv = "KILL_TEST_STEP"
	rootEnv = "KILL_TEST_ROOT"
	// A path that is looked for where the calls that count begin.
	marker = "/.the-step-begins"
)

// All of a step is made on the first thread, so that strace can count its calls.
func init() {
	if os.Getenv(stepEnv) != "" {
		runtime.LockOSThread()
	}
}

// Step tells the process which step it is there for and below which root; the
// name is empty in the one that runs the tests. The calls that follow count.
func Step() (name, root string) {
	if name = os.Getenv(stepEnv); name == "" {
		return "", ""
	}
	_, _ = os.Lstat(marker)
	return name, os.Getenv(rootEnv)
}

// Tracer finds strace or says what is missing; in CI that is a failure.
func Tracer(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err == nil {
		err = exec.Command(path, "-o", os.DevNull, "true").Run()
	}
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") != "":
		t.Fatalf("strace, which this test needs, cannot trace: %v", err)
	}
	t.Skipf("requires strace and the right to trace: %v", err)
	return ""
}

// A Place is one system call of a step: the nth of its name that the first
// thread makes.
type Place struct {
	Call string
	n    int
}

func command(tracer string, traceArgs []string, step, root string) *exec.Cmd {
	cmd := exec.Command(tracer, append(traceArgs, os.Args[0])...)
	cmd.Env = append(os.Environ(), stepEnv+"="+step, rootEnv+"="+root, "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1")
	return cmd
}

var callLine = regexp.MustCompile(`^(\d+) +([a-z0-9_]+)\(`)

// Places runs a step to its end and lists the system calls that it makes.
func Places(t *testing.T, tracer, step, root string) []Place {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	if out, err := command(tracer, []string{"-f", "-o", log}, step, root).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", step, err, out)
	}
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	var first string
	var list []Place
	begun := false
	for _, text := range strings.Split(string(data), "\n") {
		m := callLine.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		if first == "" {
			first = m[1]
		}
		if m[1] != first {
			continue
		}
		counts[m[2]]++
		switch {
		case strings.Contains(text, marker):
			begun = true
		case begun && m[2] != "futex" && m[2] != "exit_group":
			// Futexes belong to the runtime, which does not repeat itself.
			list = append(list, Place{m[2], counts[m[2]]})
		}
	}
	if len(list) == 0 {
		t.Fatalf("%s makes no system call", step)
	}
	return list
}

// A Run is a step that strace disturbs.
type Run struct {
	Tracer, Step string
	Inject       string            // as in strace -e inject: signal=KILL, error=EIO
	Setup        func(root string) // makes what the step starts from
	// Examine looks at what is left below root. It must be what was there
	// before the step, unless done, or what is there after it.
	Examine func(t *testing.T, when, root string, done bool)
}

// Hit makes the step with the disturbance at a place, and tells how it ended.
func (r Run) Hit(t *testing.T, root string, p Place) (killed, failed bool) {
	t.Helper()
	inject := fmt.Sprintf("inject=%s:%s:when=%d", p.Call, r.Inject, p.n)
	args := []string{"-f", "-o", os.DevNull, "-e", "trace=" + p.Call, "-e", inject}
	out, err := command(r.Tracer, args, r.Step, root).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false, false
	case errors.As(err, &exit) && !exit.Exited():
		return true, false
	case errors.As(err, &exit) && exit.ExitCode() == 1 && len(out) > 0:
		return false, true
	}
	t.Errorf("%s, %s at %v: %v\n%s", r.Step, r.Inject, p, err, out)
	return false, true
}

// All disturbs a step at each place, and counts those where it died or failed.
func (r Run) All(t *testing.T, list []Place) int {
	t.Helper()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4)
	hits := make([]bool, len(list))
	base := t.TempDir()
	for i, p := range list {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; wg.Done() }()
			root := filepath.Join(base, fmt.Sprint(i))
			r.Setup(root)
			killed, failed := r.Hit(t, root, p)
			hits[i] = killed || failed
			// One that did not notice must have done its work.
			r.Examine(t, fmt.Sprintf("%s, %s at %v", r.Step, r.Inject, p), root, !hits[i])
		}()
	}
	wg.Wait()
	n := 0
	for _, hit := range hits {
		if hit {
			n++
		}
	}
	t.Logf("%s, %s: %d of %d places", r.Step, r.Inject, n, len(list))
	return n
}

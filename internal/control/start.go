// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"zones/internal/zone"
)

// startLimit is how long a supervisor may take to listen or to give up.
const startLimit = 30 * time.Second

// TraceEnv names a file to which a supervisor appends how long each step of
// booting and halting took: "STEP MICROSECONDS" lines, for measurements.
const TraceEnv = "ZONEADMD_TRACE"

// KillEnv names a place, as OPERATION.NUMBER, in which a program kills itself,
// for tests of what is left behind then.
const KillEnv = "_ZONEADM_KILL_BEFORE"

// TestEnv is the part of the environment that measurements and tests pass on to
// supervisors.
func TestEnv() []string {
	var env []string
	for _, name := range []string{TraceEnv, KillEnv} {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// StartError is a supervisor that could not be started: what it said itself.
type StartError struct{ Lines []string }

func (e *StartError) Error() string { return "could not start zoneadmd" }

// Starter says how a supervisor is started.
type Starter struct {
	// Group is the cgroup that it starts in, if that is there: to be born in one
	// is cheaper than to move there.
	Group string
	// Program is the file of zoneadmd; empty for the one beside the program
	// that runs, or in the place packages put it.
	Program string
	// Lock takes the zone's administration lock, and returns what gives it
	// back. Without that, two commands could each start a supervisor.
	Lock func(ctx context.Context) (unlock func(), err error)
	// Standby, if there is one, is used before another is started.
	Standby *Standby
}

// Connect dials the zone's supervisor and starts one when there is none, under
// the zone's lock. Recovered tells that the zone was active without one, which
// the user is to be warned of.
func (s Starter) Connect(ctx context.Context, name zone.Name) (c *Conn, recovered bool, err error) {
	if c, err := dialAlive(ctx, name); !errors.Is(err, ErrNoSupervisor) {
		return c, false, err
	}
	unlock, err := s.Lock(ctx)
	if err != nil {
		return nil, false, err
	}
	defer unlock()
	// Another command may have started it while this one waited.
	if c, err := Dial(ctx, name); !errors.Is(err, ErrNoSupervisor) {
		return c, false, err
	}
	_, _, err = Status(name)
	recovered = err == nil
	if err := s.spawn(ctx, name); err != nil {
		return nil, false, err
	}
	c, err = Dial(ctx, name)
	if recovered {
		// It may have found that the zone had ended, and cleaned up.
		_, _, err := Status(name)
		recovered = err == nil
	}
	return c, recovered, err
}

// Sweep clears away what a supervisor left that was killed: the remains of a zone
// whose processes are gone, by another supervisor; or its socket and others of its
// files. When somebody has the zone's lock nothing is done: he may be starting a
// supervisor.
func (s Starter) Sweep(name zone.Name, others ...string) {
	path := Path(name, DoorSuffix)
	if _, err := os.Lstat(path); err != nil {
		return
	}
	now, cancel := context.WithCancel(context.Background())
	cancel() // no waiting
	unlock, err := s.Lock(now)
	if err != nil {
		return
	}
	defer unlock()
	c, err := Dial(now, name)
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, ErrNoSupervisor) {
		return
	}
	if _, err := Load(name); !errors.Is(err, ErrNotActive) {
		_ = s.spawn(context.Background(), name)
		return
	}
	for _, file := range append(others, path) {
		_ = os.Remove(file)
	}
}

// Recovered is what the user is told when Connect took a zone over.
func Recovered(name zone.Name, state zone.State) string {
	return fmt.Sprintf("zone '%s': WARNING: zone is in state '%v', but zoneadmd does not appear to be available; "+
		"restarted zoneadmd to recover.", name, state)
}

// dialAlive is Dial that makes sure to be noticed: a supervisor that is about
// to end because nobody needs it ends without looking at its socket again.
func dialAlive(ctx context.Context, name zone.Name) (*Conn, error) {
	c, err := Dial(ctx, name)
	if err != nil {
		return nil, err
	}
	err = c.Do(ctx, OpPing, "", nil)
	if err == nil {
		return c, nil
	}
	c.Close()
	if errors.Is(err, ErrLost) {
		err = ErrNoSupervisor
	}
	return nil, err
}

// spawn starts the zone's supervisor, or has the one that stands by begin, and
// waits until it listens.
func (s Starter) spawn(ctx context.Context, name zone.Name) error {
	talk, err := s.Standby.take()
	if talk == nil && err == nil {
		talk, err = s.launch(name)
	}
	if err != nil {
		return &StartError{[]string{err.Error()}}
	}
	defer talk.Close()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = talk.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_, _ = talk.Write([]byte{begin})
	var lines []string
	for scan := bufio.NewScanner(talk); scan.Scan(); {
		lines = append(lines, scan.Text())
	}
	if ctx.Err() != nil {
		return &StartError{[]string{"zoneadmd did not start within " + startLimit.String()}}
	}
	// A supervisor that ended without a word is found out by Dial.
	if len(lines) > 0 {
		return &StartError{lines}
	}
	return nil
}

// program is where packages put it; make install sets it for another prefix.
var program = "/usr/lib/zones/zoneadmd"

func (s Starter) program() (string, error) {
	if s.Program != "" {
		return s.Program, nil
	}
	if self, err := os.Executable(); err == nil {
		if i := strings.LastIndexByte(self, '/'); i >= 0 {
			if beside := self[:i+1] + "zoneadmd"; executable(beside) {
				return beside, nil
			}
		}
	}
	if executable(program) {
		return program, nil
	}
	return "", errors.New("zoneadmd is not installed")
}

func executable(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

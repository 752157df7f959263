// SPDX-License-Identifier: Apache-2.0

package boot

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zones/internal/control"
	"zones/internal/mount"
	"zones/internal/zone"
)

// The order is the contract between boot and halt: what is delegated is there
// before anything runs, and taken away when nothing runs any more.
func TestOrder(t *testing.T) {
	place := map[string]int{}
	for i, s := range Steps {
		if s.Do == nil || s.Undo == nil {
			t.Errorf("step %s cannot be undone", s.Name)
		}
		place[s.Name] = i
	}
	for _, pair := range [][2]string{{"record", "cgroup"}, {"cgroup", "process"}, {"console", "process"}, {"process", "delegation"},
		{"process", "network"}, {"delegation", "commit"}, {"network", "commit"}} {
		if place[pair[0]] >= place[pair[1]] {
			t.Errorf("%s comes after %s", pair[0], pair[1])
		}
	}
}

// Every undoing succeeds when there is nothing to undo, as often as it is asked.
func TestHaltOfNothing(t *testing.T) {
	for range 2 {
		m := &Machine{Record: control.Record{Name: zone.Name("no-such-zone.test"), Phase: control.PhaseHalting}}
		if err := m.Halt(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func TestFailingStepIsUndone(t *testing.T) {
	saved := Steps
	defer func() { Steps = saved }()
	var said []string
	step := func(name string, err error) Step {
		return Step{name, func(context.Context, *Machine) error { said = append(said, name); return err },
			func(ctx context.Context, _ *Machine) error {
				if ctx.Err() != nil {
					t.Error("undone with a context that has ended")
				}
				said = append(said, "undo "+name)
				return nil
			}}
	}
	reason := errors.New("no")
	Steps = []Step{step("a", nil), step("b", nil), step("c", reason), step("d", nil)}
	var timed []string
	m := &Machine{Spec: nil, Done: func(step string, _ time.Duration) { timed = append(timed, step) }}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := m.steps(ctx); !errors.Is(err, reason) {
		t.Errorf("got %v", err)
	}
	want := "a b c undo c undo b undo a"
	got := ""
	for i, s := range said {
		if i > 0 {
			got += " "
		}
		got += s
	}
	if got != want || len(timed) != 5 {
		t.Errorf("got %q, want %q; timed %v", got, want, timed)
	}
}

// Nothing is taken from processes that do not end; what fails otherwise keeps
// the rest from nothing but forgetting the zone.
func TestUndoStopsAtProcesses(t *testing.T) {
	saved := Steps
	defer func() { Steps = saved }()
	busy := errors.New("busy")
	for _, test := range []struct {
		err  error
		want []string
	}{
		{&aliveError{busy}, []string{"c"}},
		{errors.Join(errors.New("not noted"), &aliveError{busy}), []string{"c"}},
		{busy, []string{"c", "b"}},
		{nil, []string{"c", "b", "a"}},
	} {
		var undone []string
		step := func(name string, err error) Step {
			return Step{name, nil, func(context.Context, *Machine) error { undone = append(undone, name); return err }}
		}
		Steps = []Step{step("a", nil), step("b", nil), step("c", test.err)}
		err := (&Machine{}).undo(context.Background(), 2)
		if !slices.Equal(undone, test.want) || (err == nil) != (test.err == nil) {
			t.Errorf("%v: undone %v, want %v; error %v", test.err, undone, test.want, err)
		}
	}
}

func TestPointProblem(t *testing.T) {
	other := errors.New("other")
	for err, want := range map[error]string{
		&mount.Error{Op: "use", Path: "/srv/x", Err: mount.ErrLink}:   "/z/root/srv/x is a symlink\n/z/root/srv/x is not a valid mount point",
		&mount.Error{Op: "open", Path: "/z/root", Err: mount.ErrLink}: "/z/root is a symlink\n/z/root is not a valid mount point",
		&mount.Error{Op: "use", Path: "/srv", Err: unix.ENOTDIR}:      "/z/root/srv is not a directory\n/z/root/srv is not a valid mount point",
		&mount.Error{Op: "mount", Path: "a on /srv", Err: unix.EBUSY}: "mount a on /srv: device or resource busy",
		other: "other",
	} {
		if got := pointProblem("/z/root", err).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

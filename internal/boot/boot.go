// SPDX-License-Identifier: Apache-2.0

// Package boot carries a spec out, step by step, and back. The order is one
// slice: ready walks it forwards, halt and every failure backwards. It decides
// nothing about a zone and waits for nobody; the supervisor does.
package boot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"zones/internal/console"
	"zones/internal/control"
	"zones/internal/delegns"
	"zones/internal/nsexec"
	"zones/internal/spec"
	"zones/internal/zone"
)

// A Machine is one zone as far as the kernel is concerned.
type Machine struct {
	Spec   *spec.Zone     // nil when the zone was adopted and has not been readied since
	Record control.Record // what is written down, and all that Halt needs
	Term   *console.Terminal
	Keeper *nsexec.Keeper
	NS     *delegns.NS
	Netns  *os.File // the zone's network namespace, when it has its own
	// Say relays a line to whoever asked for the operation.
	Say func(format string, args ...any)
	// Log writes a line for whoever looks after the host; whoever asked for the
	// operation need not read it.
	Log func(format string, args ...any)
	// Roots are the datasets that zones' roots are on, and whose.
	Roots map[string]zone.Name
	// Mounted says that the zone is for maintenance, and not to be started.
	Mounted bool
	// At, when set, is called wherever the zone is between two states: where a
	// supervisor that is killed leaves something half done.
	At func()
	// Done, when set, is told how long each step took.
	Done func(step string, took time.Duration)

	cgroup  *os.File
	prepare *prefetch
}

// A Step is one acquisition. Undo releases it, whole or half done, from what
// the record says alone, and succeeds when there is nothing to release.
type Step struct {
	Name string
	Do   func(context.Context, *Machine) error
	Undo func(context.Context, *Machine) error
}

// Steps lead from installed to ready, in order.
var Steps = []Step{
	{"record", begin, forget},
	{"cgroup", makeCgroup, removeCgroup},
	{"console", makeConsole, closeConsole},
	{"process", startProcess, endProcess},
	{"delegation", delegate, undelegate},
	{"network", connect, disconnect},
	{"commit", commit, killProcesses},
}

// Limits on how long a zone may take: nothing waits for ever.
const (
	readyLimit = 60 * time.Second
	startLimit = 20 * time.Second
	haltLimit  = 60 * time.Second
)

// Ready brings the zone up to the point where its first process waits for
// Start. When a step fails, it and those before it are undone, and what the
// error joins begins with the reason of the failure.
func (m *Machine) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	m.prefetch(ctx)
	defer m.prepare.release()
	return m.steps(ctx)
}

func (m *Machine) steps(ctx context.Context) error {
	for i, step := range Steps {
		m.at()
		start := time.Now()
		if err := step.Do(ctx, m); err != nil {
			// The limit that ended the step must not end its undoing.
			return errors.Join(err, m.undo(context.WithoutCancel(ctx), i))
		}
		m.done(step.Name, start)
	}
	return nil
}

func (m *Machine) at() {
	if m.At != nil {
		m.At()
	}
}

func (m *Machine) done(step string, start time.Time) {
	if m.Done != nil {
		m.Done(step, time.Since(start))
	}
}

// Start lets the first process become init with boot arguments args.
func (m *Machine) Start(ctx context.Context, args spec.BootArgs) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	start := time.Now()
	init := m.Record.Init
	if args.Init != "" {
		init = args.Init
	}
	if err := within(ctx, "look at init", func() error { return m.checkInit(init) }); err != nil {
		return err
	}
	// Whoever adopts the zone from here on finds what init is.
	m.Record.Init = init
	if err := m.Record.Save(); err != nil {
		return err
	}
	m.at()
	if err := m.Keeper.Go(ctx, init, append([]string{init}, args.Argv...)); err != nil {
		return fmt.Errorf("unable to boot zone: %w", err)
	}
	m.at()
	m.done("init", start)
	m.Record.Phase = control.PhaseRunning
	return m.Record.Save()
}

// Halt releases everything, whatever state the zone is in. It can be repeated
// after a failure, which leaves the zone down, or shutting down when processes
// are left.
func (m *Machine) Halt(ctx context.Context) error {
	err := m.undo(ctx, len(Steps)-1)
	if err != nil {
		m.Record.Phase = control.PhaseDown
		if alive := (*aliveError)(nil); errors.As(err, &alive) {
			m.Record.Phase = control.PhaseHalting
		}
		err = errors.Join(err, m.Record.Save())
	}
	return err
}

// undo releases step last and those before it. When one fails, the record
// stays: it is what the next attempt begins with. When processes are left,
// nothing that they use is taken from them.
func (m *Machine) undo(ctx context.Context, last int) error {
	ctx, cancel := context.WithTimeout(ctx, haltLimit)
	defer cancel()
	var errs []error
	var alive *aliveError
	for i := last; i >= 0 && !errors.As(errors.Join(errs...), &alive); i-- {
		if i == 0 && len(errs) > 0 {
			break
		}
		m.at()
		start := time.Now()
		if err := Steps[i].Undo(ctx, m); err != nil {
			errs = append(errs, err)
		}
		m.done("undo "+Steps[i].Name, start)
	}
	return errors.Join(errs...)
}

func (m *Machine) say(format string, args ...any) {
	if m.Say != nil {
		m.Say(format, args...)
	}
}

func (m *Machine) log(format string, args ...any) {
	if m.Log != nil {
		m.Log(format, args...)
	}
}

// begin writes down where the zone will be, before anything is made: whoever
// finds the record knows what may have been left.
func begin(_ context.Context, m *Machine) error {
	z := m.Spec
	m.Record = control.Record{
		Name: z.Name, Boot: control.BootID(), Phase: control.PhaseReady, Cgroup: z.Cgroup, Zonepath: z.Zonepath,
		Root: z.Tree.Root, Brand: z.Brand, IPType: z.IPType, UIDBase: z.IDBase, UIDCount: z.IDSize, Init: z.Init,
		CapsKept: z.Process.Caps, Env: z.Env,
	}
	if m.Mounted {
		m.Record.Phase = control.PhaseMounted
	}
	for _, r := range z.Process.Rlimits {
		m.Record.Rlimits = append(m.Record.Rlimits, r.String())
	}
	return m.Record.Save()
}

func forget(_ context.Context, m *Machine) error { return control.Forget(m.Record.Name) }

// commit makes the zone outlive its supervisor.
func commit(_ context.Context, m *Machine) error {
	if err := m.Record.Save(); err != nil {
		return err
	}
	m.at()
	return m.Keeper.Commit()
}

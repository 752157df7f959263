// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"zones/tests/vm/wire"
)

// How long the guest may take for what is not the command's: these are for an
// emulated guest on a busy machine, and only bound a guest that is lost.
const (
	bootLimit    = 10 * time.Minute // until the command is started
	silenceLimit = 90 * time.Second // between two signs of life
	flushLimit   = 30 * time.Second // from the status to the end of the output
)

// watch waits for the first of: a report that settles the run, the end of
// QEMU, the time limit, silence, a signal.
func watch(opt options, g *guest, term *terminal, stop <-chan os.Signal, out <-chan error) outcome {
	reports := make(chan wire.Report)
	go readReports(g.status, reports)
	begin := time.Now()
	var o outcome
	var started time.Time
	limit := time.NewTimer(bootLimit)
	silence := time.NewTimer(bootLimit)
	for {
		select {
		case rep, ok := <-reports:
			if !ok {
				return g.died(o, started)
			}
			silence.Reset(silenceLimit)
			if rep.Started {
				started = time.Now()
				o.boot = started.Sub(begin)
				limit.Stop()
				go term.forward(g.frames)
				if opt.limit > 0 {
					limit = time.NewTimer(time.Duration(opt.limit) * time.Second)
				}
				if !opt.quiet {
					for _, n := range rep.Notes {
						fmt.Fprintf(os.Stderr, "tests/vm/run: %s\n", n)
					}
				}
			}
			if rep.Exit != nil || rep.Fault != nil || rep.Unready != "" {
				o.took = time.Since(started)
				return settled(rep, o, out, g)
			}
		case <-limit.C:
			if started.IsZero() {
				return outcome{status: exitNoGuest, err: fmt.Errorf("the guest was not ready after %v%s", bootLimit, g.consoleTail())}
			}
			o.status, o.took = exitOverTime, time.Since(started)
			o.err = fmt.Errorf("over time: the command ran for more than %d s", opt.limit)
			return o
		case <-silence.C:
			o.status = exitFault
			o.err = fmt.Errorf("the guest stopped answering%s", g.consoleTail())
			return o
		case s := <-stop:
			o.status = exitSignal + int(s.(syscall.Signal))
			o.err = fmt.Errorf("stopped by signal: %v", s)
			return o
		}
	}
}

// settled turns the guest's last report into an outcome, once all output is
// through.
func settled(rep wire.Report, o outcome, out <-chan error, g *guest) outcome {
	if rep.Unready != "" {
		o.status, o.took = exitNoGuest, 0
		o.err = fmt.Errorf("the guest could not be made ready: %s%s", rep.Unready, g.consoleTail())
		return o
	}
	select {
	case err := <-out:
		if err != nil && rep.Fault == nil {
			o.status, o.err = exitFault, fmt.Errorf("pass output on: %w", err)
			return o
		}
	case <-time.After(flushLimit):
		o.status, o.err = exitFault, errors.New("the guest's output did not end")
		return o
	}
	if rep.Fault != nil {
		o.status = exitFault
		o.err = fmt.Errorf("%s (the command's own status was %d); the kernel's log ends:\n%s",
			rep.Fault.Reason, rep.Fault.Exit, rep.Fault.Log)
		return o
	}
	o.status = *rep.Exit
	return o
}

// died is the outcome when QEMU ended without the guest's verdict.
func (g *guest) died(o outcome, started time.Time) outcome {
	g.end()
	o.status = exitFault
	if started.IsZero() {
		o.status, o.again = exitNoGuest, true
	}
	o.err = fmt.Errorf("the guest died%s%s", g.complaints(), g.consoleTail())
	return o
}

func readReports(r io.Reader, to chan<- wire.Report) {
	defer close(to)
	for dec := json.NewDecoder(r); ; {
		var rep wire.Report
		if dec.Decode(&rep) != nil {
			return
		}
		to <- rep
	}
}

// SPDX-License-Identifier: Apache-2.0

// Init is PID 1 of the test machine's guest: it makes the guest ready,
// runs one command, looks for what the command did to the kernel, and reports.
// It is not part of the product and never runs on a host.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"zones/tests/vm/wire"
)

// stopping is how long the guest waits to be ended by its host before it turns
// itself off.
const stopping = 10 * time.Second

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "init: this program is PID 1 of a test guest and does nothing elsewhere")
		os.Exit(2)
	}
	if err := run(); err != nil {
		// Without its ports the guest has only the console to speak on.
		fmt.Fprintf(os.Stderr, "init: %v\n", err)
	}
	time.Sleep(stopping)
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func run() error {
	if err := mountAll("", early); err != nil {
		return err
	}
	if err := insertModules(); err != nil {
		return err
	}
	ports, err := openPorts()
	if err != nil {
		return err
	}
	say := &reporter{enc: json.NewEncoder(ports.status)}
	kernel, err := watchKernelLog("/dev/kmsg")
	if err != nil {
		return err
	}
	job, err := readJob(ports.io)
	if err != nil {
		return err
	}
	if job.Probe {
		exit := 0
		return say.report(wire.Report{Exit: &exit})
	}
	notes, err := prepare(job)
	if err != nil {
		return say.report(wire.Report{Unready: err.Error(), Notes: kernel.tail(40)})
	}
	exit, err := command(job, ports.io, say, notes)
	if err != nil {
		return say.report(wire.Report{Unready: err.Error()})
	}
	stopEverything()
	unix.Sync()
	if reason := kernel.verdict(); reason != "" {
		return say.report(wire.Report{Fault: &wire.Fault{Reason: reason, Log: kernel.text(400), Exit: exit}})
	}
	return say.report(wire.Report{Exit: &exit})
}

// A reporter sends reports; it may be used by several goroutines.
type reporter struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func (r *reporter) report(rep wire.Report) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.enc.Encode(rep)
}

// beat tells the host once a second that the guest answers.
func (r *reporter) beat() {
	for {
		if r.report(wire.Report{Beat: true}) != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"zones/internal/control"
	"zones/internal/supervisor"
	"zones/internal/zone"
)

// start runs a supervisor that tells whoever waits at the descriptor kept for
// it, or the standard error, why it cannot.
func start(text string) int {
	report := os.Stderr
	if _, err := unix.FcntlInt(control.ReadyFD, unix.F_GETFD, 0); err == nil {
		unix.CloseOnExec(control.ReadyFD)
		report = os.NewFile(control.ReadyFD, "ready")
	}
	name, err := zone.ParseName(text)
	if err == nil {
		err = supervisor.Run(name, func() {
			if report != os.Stderr {
				report.Close()
			}
		})
	}
	if err == nil {
		return 0
	}
	var refused *supervisor.RefusedError
	if errors.As(err, &refused) {
		fmt.Fprintln(report, refused.Text)
	} else {
		fmt.Fprintf(report, "zone '%s': %v\n", text, err)
	}
	return 1
}

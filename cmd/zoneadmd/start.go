// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"

	"zones/internal/control"
	"zones/internal/supervisor"
	"zones/internal/zone"
)

// start runs a supervisor, when it is needed, that tells whoever started it, or
// the standard error, why it cannot.
func start(text string) int {
	report, needed := control.Begin()
	if !needed {
		return 0
	}
	if report == nil {
		report = os.Stderr
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

// SPDX-License-Identifier: Apache-2.0

// Zonename prints the name of the zone that it runs in. It asks the kernel and
// knows of no other zone.
package main

import (
	"os"

	"zones/internal/cli"
	"zones/internal/delegns"
)

func main() {
	speaker := &cli.Speaker{Out: os.Stdout, Err: os.Stderr}
	_, name, err := delegns.Own()
	if err != nil {
		speaker.Bare("could not determine zone name")
		os.Exit(cli.ExitError)
	}
	speaker.Print(name)
}

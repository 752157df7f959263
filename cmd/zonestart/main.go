// SPDX-License-Identifier: Apache-2.0

// Zonestart is the first program of a zone that was installed from an image
// without an init of its own: it becomes the program that the image names, as
// the user and in the folder that it names. It supervises nothing.
package main

import (
	"os"
	"path/filepath"

	"zones/internal/cli"
	"zones/internal/entrypoint"
)

func main() {
	speaker := &cli.Speaker{Program: "zonestart", Out: os.Stdout, Err: os.Stderr}
	e, err := entrypoint.Load(filepath.Dir(os.Args[0]))
	if err == nil {
		err = e.Exec(os.Args[1:])
	}
	speaker.Plain(err.Error())
	os.Exit(cli.ExitError)
}

// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"slices"
	"strings"

	"zones/internal/entrypoint"
	"zones/internal/unpacker"
)

// keepEntrypoint writes down what an image says about running it, unless the
// image is a system: one with an init that names no program but a shell.
func (in *install) keepEntrypoint() error {
	e := entrypointOf(in.config)
	if e == nil {
		return nil
	}
	b, err := in.m.brandOf(in.z)
	if err != nil {
		return err
	}
	if hasFile(in.root(), b.Init) && (e.OnlyShell() || e.Argv[0] == b.Init) {
		return nil
	}
	if err := e.Save(in.path); err != nil {
		return subject(in.path, bareErr(err))
	}
	in.m.Talk.Print("The zone will run the program of the image: " + strings.Join(e.Argv, " "))
	return nil
}

// entrypointOf is what an image says about running it; nil when it names no
// program.
func entrypointOf(c *unpacker.Config) *entrypoint.Entrypoint {
	if c == nil {
		return nil
	}
	argv := slices.Concat(c.Entrypoint, c.Cmd)
	if len(argv) == 0 || argv[0] == "" {
		return nil
	}
	return &entrypoint.Entrypoint{Argv: argv, Env: c.Env, User: c.User, Dir: c.WorkingDir, Stop: c.StopSignal}
}

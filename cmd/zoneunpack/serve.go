// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"zones/internal/entrypoint"
	"zones/internal/image"
	"zones/internal/unpacker"
)

// kindsOf says what each option's source may turn out to be; one alone is not
// looked for. All are possible where none is listed.
var kindsOf = map[string][]image.Kind{
	"a": {image.Tar, image.OCIArchive, image.ZFSStream},
	"d": {image.Directory},
	"s": {image.ZFSSnapshot, image.ZFSStream},
	"i": {image.OCILayout, image.OCIArchive, image.Registry},
	"r": {image.Bootstrap},
}

// forms are the kinds that are no trees.
var forms = map[image.Kind]unpacker.Form{
	image.ZFSSnapshot: unpacker.Snapshot,
	image.ZFSStream:   unpacker.Received,
}

// serve does what is asked and fills the reply in.
func serve(ctx context.Context, reply *unpacker.Reply, from *unpacker.Source, verb unpacker.Verb, args []string) error {
	bar := newBar(os.Stderr)
	defer bar.Done()
	opts := image.Options{Mirror: from.Mirror, Packages: from.Packages, MaxID: from.MaxID, MaxFiles: from.MaxFiles,
		Anonymous: from.Anonymous, Shared: from.Shared,
		Only: kindsOf[from.Letter]}
	if bar.shown() {
		opts.Progress = func(p image.Progress) { bar.Set(p.Done, p.Total) }
	}
	if len(opts.Only) == 1 {
		opts.Kind = opts.Only[0]
	}
	if from.Opened {
		opts.At = fmt.Sprintf("/proc/self/fd/%d", unpacker.FileFD)
	}
	s, err := image.Open(from.Name, opts)
	if err != nil {
		return err
	}
	defer s.Close()
	reply.Short, reply.Form = s.Name(), unpacker.Tree
	if form, ok := forms[s.Kind()]; ok {
		reply.Form = form
	}
	switch {
	case verb == unpacker.Open:
		return nil
	case verb == unpacker.Fill && len(args) == 1:
		result, err := s.Unpack(ctx, args[0])
		reply.Notes = result.Notes
		reply.Entrypoint = entrypointOf(result.Config)
		return err
	case verb == unpacker.Stream:
		bytes, err := s.Stream(ctx)
		if err != nil {
			return err
		}
		defer bytes.Close()
		_, err = io.Copy(os.Stdout, bytes)
		return err
	}
	return errVerb
}

// entrypointOf is what an image says about running it; nil when it names no
// program.
func entrypointOf(c *image.Config) *entrypoint.Entrypoint {
	if c == nil {
		return nil
	}
	argv := slices.Concat(c.Entrypoint, c.Cmd)
	if len(argv) == 0 || argv[0] == "" {
		return nil
	}
	return &entrypoint.Entrypoint{Argv: argv, Env: c.Env, User: c.User, Dir: c.WorkingDir, Stop: c.StopSignal}
}

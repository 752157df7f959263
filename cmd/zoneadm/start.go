// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os"

	"zones/internal/cli"
	"zones/internal/lifecycle"
	"zones/internal/store"
	"zones/internal/zone"
)

// env is what one run of zoneadm works with.
type env struct {
	say    *cli.Speaker
	in     *os.File
	ctx    context.Context
	hold   func() func()      // see lifecycle.Manager
	args   []string           // the command line as it was typed
	caller int                // user id of whoever asks for it
	user   string             // name of the caller's account
	root   string             // alternate root, "" for the running system
	zone   zone.Name          // the selected zone, "" for none
	zones  *lifecycle.Manager // the zones of root
}

// globals are the options before the subcommand.
type globals struct {
	zone, uuid string
	named      bool // a zone is given, if only by an empty name
}

// main goes through the start-up in the order that decides which error the
// user sees, and carries the subcommand out.
func (e *env) main(ctx context.Context, args []string) int {
	var err error
	if e.user, err = userName(e.caller); err != nil {
		e.say.About("could not get user name.")
		return cli.ExitError
	}
	g, rest, status := e.globals(args)
	if status != cli.ExitOK {
		return status
	}
	if len(rest) == 0 {
		return e.finish(&usageError{status: cli.ExitUsage})
	}
	// Files below another root would be those of whoever made it.
	if e.deputized() && e.root != "" {
		return e.finish(refuse("only root may use another root"))
	}
	e.zones = lifecycle.New(store.Open(e.root), e.say)
	e.zones.Distrust = e.deputized()
	e.zones.Hold = e.hold
	e.zones.Streams = lifecycle.Streams{In: e.in, Out: os.Stdout, Err: os.Stderr}
	v := lookup(rest[0])
	if v != nil && v.starts && g.uuid == "" {
		e.zones.Expect(zone.Name(g.zone))
	}
	if err := e.selectZone(g); err != nil && !(errors.Is(err, store.ErrNoZone) && checksManifest(v, rest[1:])) {
		return e.finish(err)
	}
	if v == nil {
		return e.finish(&usageError{status: cli.ExitUsage})
	}
	e.zones.Args = rest[1:]
	return e.finish(v.run(ctx, e, v, rest[1:]))
}

// globals reads the options before the subcommand. A status other than OK ends
// the run.
func (e *env) globals(args []string) (g globals, rest []string, status int) {
	opts := cli.NewGetopt(args, "?z:u:R:")
	for {
		letter, arg, err := opts.Next()
		switch {
		case err != nil:
			e.complain(err)
			return g, nil, e.globalUsage()
		case letter == '?':
			return g, nil, e.globalUsage()
		case letter == 0:
			return g, opts.Operands(), cli.ExitOK
		case letter == 'z':
			g.zone, g.named, e.say.Zone = arg, true, arg
		case letter == 'u' && arg != "":
			if _, err := zone.ParseUUID(arg); err != nil {
				e.say.About("illegal UUID value specified")
				return g, nil, cli.ExitError
			}
			g.uuid = arg
		case letter == 'R':
			if e.root, err = alternateRoot(arg); err != nil {
				e.say.About(err.Error())
				return g, nil, cli.ExitError
			}
		}
	}
}

func alternateRoot(path string) (string, error) {
	if path == "" || path[0] != '/' {
		return "", errors.New("root path must be absolute.")
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return "", errors.New("root path must be a directory.")
	}
	if path == "/" {
		return "", nil
	}
	return path, nil
}

// selectZone finds the zone that -u and -z mean. A UUID of the index overrides
// the name; one that is not in the index leaves it alone.
func (e *env) selectZone(g globals) error {
	name := zone.Name(g.zone)
	if g.uuid != "" {
		uuid, _ := zone.ParseUUID(g.uuid)
		if found, err := e.zones.ByUUID(uuid); err == nil {
			name = found
		}
	}
	e.zone, e.say.Zone = name, string(name)
	if name == "" && !g.named {
		return nil
	}
	if !e.zones.Exists(name) {
		return &lifecycle.Failure{Form: lifecycle.Subject, Subject: string(name), Err: store.ErrNoZone}
	}
	if name != zone.Global && !e.zones.Inside() {
		if err := e.zones.CheckBrand(name); err != nil {
			if hint := lifecycle.BrandHint(err); hint != "" {
				e.say.Bare(hint)
			}
			return lifecycle.About("missing or invalid brand")
		}
	}
	return nil
}

// userName is the name of a user.
func userName(uid int) (string, error) {
	u, err := cli.AccountOf(uid)
	if err != nil {
		return "", err
	}
	return u.Username, nil
}

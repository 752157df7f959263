// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"

	"zones/internal/cli"
	"zones/internal/lifecycle"
	"zones/internal/zone"
)

// finish says what an error has to say and returns the exit status.
func (e *env) finish(err error) int {
	if err == nil {
		return cli.ExitOK
	}
	var bad *usageError
	if errors.As(err, &bad) {
		switch {
		case bad.silent:
		case bad.verb == nil:
			_, _ = io.WriteString(e.say.Err, usage(false))
		default:
			_, _ = io.WriteString(e.say.Err, bad.verb.usage())
		}
		// The command would run with more rights than who asks for help has.
		if bad.brand && !e.deputized() && e.zones.BrandHelp(e.ctx, e.zone, bad.verb.id) != nil {
			return cli.ExitError
		}
		return bad.status
	}
	var done *forwarded
	if errors.As(err, &done) {
		return done.status
	}
	var refused *zone.StateError
	if errors.As(err, &refused) {
		return e.refused(refused)
	}
	var hook *lifecycle.HookError
	if errors.As(err, &hook) {
		return e.hookFailed(hook)
	}
	var failed *lifecycle.Failure
	switch {
	case errors.As(err, &failed):
		e.failed(failed)
		return failed.ExitStatus()
	case errors.Is(err, context.Canceled):
		e.say.About("interrupted")
	default:
		e.say.About(err.Error())
	}
	return cli.ExitError
}

// hookFailed ends a verb whose brand's command failed: that has said why, but
// leaves the usage to zoneadm.
func (e *env) hookFailed(err *lifecycle.HookError) int {
	if v := lookup(string(err.Hook)); v != nil && err.Usage() {
		_, _ = io.WriteString(e.say.Err, v.usage())
	}
	return cli.ExitError
}

func (e *env) refused(err *zone.StateError) int {
	r := err.Rule
	if r.Detail != "" {
		e.say.Bare(r.Detail)
	}
	switch {
	case r.Relayed && r.Text != "":
		e.say.Relay(r.Text)
	case r.Text != "":
		e.say.About(r.Text)
	}
	if r.Kind == zone.Already {
		return cli.ExitOK
	}
	if r.Relayed && err.Verb.Calls() {
		e.say.About("call to zoneadmd failed")
	}
	return cli.ExitError
}

func (e *env) failed(f *lifecycle.Failure) {
	switch f.Form {
	case lifecycle.FormAbout:
		e.say.About(f.Text)
	case lifecycle.Subject:
		e.say.Subject(f.Subject, f.Err)
	case lifecycle.Named:
		e.say.Named(f.Text, f.Err)
	case lifecycle.Relay:
		e.say.Relay(f.Text)
	case lifecycle.Plain:
		e.say.Plain(f.Text)
	case lifecycle.Bare:
		e.say.Bare(f.Text)
	case lifecycle.Said:
	}
}

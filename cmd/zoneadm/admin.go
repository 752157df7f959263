// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"time"

	"zones/internal/cli"
	"zones/internal/deputy"
	"zones/internal/lifecycle"
	"zones/internal/store"
	"zones/internal/zone"
)

// deputyName is the name under which zoneadm serves users to whom an admin
// resource gives rights: it has their commands carried out by root.
const deputyName = "zones-admin"

// idle is how long the service waits for the next request before it ends, when
// it was started by one.
const idle = time.Minute

// serve is the service. Each request becomes a command of its own, which is
// told who asks and makes all the checks itself.
func serve(ctx context.Context, say *cli.Speaker) int {
	l, err := deputy.Inherited()
	limit := idle
	if err == nil && l == nil {
		l, err = deputy.Listen()
		limit = 0
	}
	if err == nil {
		err = deputy.Serve(ctx, l, limit, decide)
	}
	if err != nil {
		say.Plain(err.Error())
		return cli.ExitError
	}
	return cli.ExitOK
}

// served are the commands that users may ask for.
var served = map[string]bool{"zoneadm": true, "zlogin": true}

// terminal is what the kinds of terminals are called. Only the service needs
// it, and it takes longer to make than anything else that a command begins with.
var terminal = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+._-]{0,63}$`)
})

// roster is of the users whose requests are carried out at all.
var roster lifecycle.Roster

// decide makes the command for a request: for root, and for users with rights
// over any zone.
func decide(r *deputy.Request) *exec.Cmd {
	self, err := os.Executable()
	if err != nil || !served[r.Program] {
		return nil
	}
	name, err := userName(int(r.UID))
	if err != nil {
		return nil
	}
	zones := lifecycle.New(store.Open(""), nil)
	if r.UID != 0 && !roster.Has(zones, name) {
		return nil
	}
	cmd := exec.Command(filepath.Join(filepath.Dir(self), r.Program), r.Args...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", cli.CallerEnv + "=" + strconv.Itoa(int(r.UID))}
	if terminal().MatchString(r.Term) {
		cmd.Env = append(cmd.Env, "TERM="+r.Term)
	}
	cmd.Dir = "/"
	return cmd
}

// deputized reports whether this is root's process for another user: what he
// could not read or run himself must not come to him by it.
func (e *env) deputized() bool { return e.caller != 0 && os.Geteuid() == 0 }

// forwarded is a command line that root carried out, with its status.
type forwarded struct{ status int }

func (f *forwarded) Error() string { return "carried out by root" }

// forward has the command line carried out by root. It returns nil when there
// is nobody to do that, or when the user has no rights at all.
func (e *env) forward() error {
	if e.root != "" {
		return nil
	}
	if err := e.ctx.Err(); err != nil {
		return err
	}
	// Interrupts are passed on, and end nothing here.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGQUIT)
	defer stop()
	status, err := deputy.Ask(ctx, "zoneadm", e.args, [3]*os.File{e.in, os.Stdout, os.Stderr}, false)
	switch {
	case errors.Is(err, deputy.ErrAbsent), errors.Is(err, deputy.ErrRefused):
		return nil
	case err != nil:
		return err
	}
	return &forwarded{status}
}

// authorized checks what the zone's admin resources allow the caller; root has
// every authorization.
func (e *env) authorized(v zone.Verb) error {
	if e.caller == 0 || e.zones.Authorized(e.zone, e.user, "manage") {
		return nil
	}
	return refuse("User %s is not authorized to %v this zone.", e.user, v)
}

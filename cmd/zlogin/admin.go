// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"zones/internal/cli"
	"zones/internal/deputy"
	"zones/internal/store"
)

// errUnprivileged is what a user hears who is neither root nor has rights.
var errUnprivileged = errors.New("You lack sufficient privilege to run this command (all privs required)")

// accountLetters are what names of accounts consist of.
const accountLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// forward has root carry the command line out, which then decides by the
// zone's admin resource. It returns errUnprivileged when that is not possible.
func (o *options) forward(ctx context.Context, args []string, stdin *os.File) (int, error) {
	if o.mode == command && deputy.Background(stdin) {
		null, err := os.Open(os.DevNull)
		if err != nil {
			return 0, err
		}
		defer null.Close()
		stdin = null
	}
	status, err := deputy.Ask(ctx, "zlogin", args, [3]*os.File{stdin, os.Stdout, os.Stderr}, true)
	if errors.Is(err, deputy.ErrAbsent) || errors.Is(err, deputy.ErrRefused) {
		err = errUnprivileged
	}
	return status, err
}

// admit checks what a caller other than root may do in the zone: everything
// with manage, and with login alone a login with a password.
func (o *options) admit(t *target) error {
	uid := cli.Caller()
	if uid == 0 {
		return nil
	}
	u, err := cli.AccountOf(uid)
	if err != nil {
		return errUnprivileged
	}
	cfg, _, err := store.Open("").Load(t.name)
	if err != nil {
		return err
	}
	switch {
	case cfg.Authorizes(u.Username, "manage"):
		return nil
	case o.mode == console:
		return fmt.Errorf("%s is not authorized for console access to  %s zone.", u.Username, t.name)
	case o.mode != interactive || o.safe || len(o.words) > 0:
		return fmt.Errorf("%s is not authorized for  failsafe or non-interactive login to  %s zone.", u.Username, t.name)
	case !cfg.Authorizes(u.Username, "login"):
		return fmt.Errorf("%s is not authorized  to login to %s zone.", u.Username, t.name)
	}
	// The words go through a shell of the zone's root.
	if strings.Trim(o.user, accountLetters) != "" || strings.HasPrefix(o.user, "-") {
		return fmt.Errorf("%s is not the name of an account", o.user)
	}
	// login(1) asks for the password.
	o.words = []string{"exec", "login"}
	if o.user != "" {
		o.words = append(o.words, "--", o.user)
		o.user = ""
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"time"
)

// getent asks wherever the host keeps its accounts; package user knows
// /etc/passwd alone.
var getent = "/usr/bin/getent"

// getentLimit is how long that may take: it may be another machine that knows.
const getentLimit = 10 * time.Second

// AccountOf is the account of a user id.
func AccountOf(uid int) (*user.User, error) {
	number := strconv.Itoa(uid)
	u, err := user.LookupId(number)
	if err != nil {
		if found := ask(number); found != nil && found.Uid == number {
			return found, nil
		}
	}
	return u, err
}

// AccountNamed is the account of a name.
func AccountNamed(name string) (*user.User, error) {
	u, err := user.Lookup(name)
	if err != nil {
		if found := ask(name); found != nil && found.Username == name {
			return found, nil
		}
	}
	return u, err
}

// ask looks a name or number up; nil when nobody has it.
func ask(key string) *user.User {
	if key == "" || key[0] == '-' {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), getentLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, getent, "passwd", key)
	cmd.Env, cmd.Dir = []string{"LC_ALL=C"}, "/"
	out, err := cmd.Output()
	if err != nil {
		return nil
	}
	line, _, _ := strings.Cut(string(out), "\n")
	f := strings.Split(line, ":")
	if len(f) != 7 || f[0] == "" {
		return nil
	}
	for _, number := range f[2:4] {
		if _, err := strconv.ParseUint(number, 10, 31); err != nil {
			return nil
		}
	}
	return &user.User{Username: f[0], Uid: f[2], Gid: f[3], Name: f[4], HomeDir: f[5]}
}

// SPDX-License-Identifier: Apache-2.0

package entrypoint

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
)

// Exec becomes the program, with the arguments more behind its own. It is
// called inside the zone, by its root, and returns only when that fails.
func (e *Entrypoint) Exec(more []string) error {
	who, err := e.account("/etc/passwd", "/etc/group")
	if err != nil {
		return err
	}
	env := merge(os.Environ(), e.Env)
	if lookup(env, "HOME") == "" {
		env = append(env, "HOME="+who.home)
	}
	dir := e.Dir
	if dir == "" {
		dir = "/"
	}
	// As other tools do: the folder is made when the image lacks it.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make working directory: %w", err)
	}
	if err := os.Chdir(dir); err != nil {
		return fmt.Errorf("enter working directory: %w", err)
	}
	giveStreams(who.uid)
	if err := who.become(); err != nil {
		return fmt.Errorf("become user %s: %w", e.User, err)
	}
	program, err := find(e.Argv[0], lookup(env, "PATH"))
	if err != nil {
		return err
	}
	err = unix.Exec(program, slices.Concat(e.Argv, more), env)
	return fmt.Errorf("start %s: %w", program, err)
}

// account is as whom the program runs.
type account struct {
	uid, gid int
	groups   []int
	home     string
}

// giveStreams makes the console the user's, who could not open /dev/stdout and
// its like otherwise: programs of images keep their logs there.
func giveStreams(uid int) {
	for fd := range 3 {
		if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
			_ = unix.Fchown(fd, uid, -1)
		}
	}
}

func (a *account) become() error {
	if err := unix.Setgroups(a.groups); err != nil {
		return err
	}
	if err := unix.Setresgid(a.gid, a.gid, a.gid); err != nil {
		return err
	}
	return unix.Setresuid(a.uid, a.uid, a.uid)
}

// account finds the user in the zone's own files, as other runtimes of images
// do: USER or USER:GROUP, each a name or a number that need not be in them.
func (e *Entrypoint) account(passwd, group string) (*account, error) {
	found, err := user.GetExecUserPath(e.User, &user.ExecUser{Home: "/"}, passwd, group)
	if err != nil {
		return nil, fmt.Errorf("find user %s: %w", e.User, err)
	}
	if found.Uid < 0 || found.Gid < 0 {
		return nil, fmt.Errorf("find user %s: the ids %d:%d in %s are not valid", e.User, found.Uid, found.Gid, passwd)
	}
	a := &account{uid: found.Uid, gid: found.Gid, groups: []int{found.Gid}, home: found.Home}
	for _, gid := range found.Sgids {
		if !slices.Contains(a.groups, gid) {
			a.groups = append(a.groups, gid)
		}
	}
	if a.home == "" {
		a.home = "/"
	}
	if a.uid == 0 && a.home == "/" {
		a.home = "/root"
	}
	return a, nil
}

// merge is base with the variables of more in their place or behind it.
func merge(base, more []string) []string {
	env := slices.Clone(base)
	for _, v := range more {
		name, _, ok := strings.Cut(v, "=")
		if !ok {
			continue
		}
		at := slices.IndexFunc(env, func(old string) bool { return strings.HasPrefix(old, name+"=") })
		if at < 0 {
			env = append(env, v)
		} else {
			env[at] = v
		}
	}
	return env
}

func lookup(env []string, name string) string {
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// find looks a program up as a shell does.
func find(name, dirs string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range strings.Split(dirs, ":") {
		if dir == "" {
			dir = "."
		}
		file := path.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && unix.Access(file, unix.X_OK) == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("start %s: not found in PATH", name)
}

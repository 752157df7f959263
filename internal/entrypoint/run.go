// SPDX-License-Identifier: Apache-2.0

package entrypoint

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

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

func (a *account) become() error {
	if err := unix.Setgroups(a.groups); err != nil {
		return err
	}
	if err := unix.Setresgid(a.gid, a.gid, a.gid); err != nil {
		return err
	}
	return unix.Setresuid(a.uid, a.uid, a.uid)
}

// account finds the user in the zone's own files: USER or USER:GROUP, each a
// name or a number. A number need not be in them.
func (e *Entrypoint) account(passwd, group string) (*account, error) {
	user, groupName, hasGroup := strings.Cut(e.User, ":")
	if user == "" {
		user = "0"
	}
	a := &account{uid: -1, home: "/"}
	var name string
	err := eachLine(passwd, 7, func(f []string) bool {
		if f[0] != user && f[2] != user {
			return true
		}
		uid, gid, ok := numbers(f[2], f[3])
		if ok {
			name, a.uid, a.gid = f[0], uid, gid
			if f[5] != "" {
				a.home = f[5]
			}
		}
		return !ok
	})
	if err != nil {
		return nil, err
	}
	if a.uid < 0 {
		if a.uid, err = strconv.Atoi(user); err != nil || a.uid < 0 {
			return nil, fmt.Errorf("no user %s in %s", user, passwd)
		}
	}
	if a.uid == 0 && a.home == "/" {
		a.home = "/root"
	}
	if !hasGroup {
		a.groups = []int{a.gid}
		return a, eachLine(group, 4, func(f []string) bool {
			if gid, _, ok := numbers(f[2], "0"); ok && name != "" && slices.Contains(strings.Split(f[3], ","), name) {
				a.groups = append(a.groups, gid)
			}
			return true
		})
	}
	found := false
	err = eachLine(group, 4, func(f []string) bool {
		gid, _, ok := numbers(f[2], "0")
		if found = ok && (f[0] == groupName || f[2] == groupName); found {
			a.gid = gid
		}
		return !found
	})
	if err != nil {
		return nil, err
	}
	if !found {
		if a.gid, err = strconv.Atoi(groupName); err != nil || a.gid < 0 {
			return nil, fmt.Errorf("no group %s in %s", groupName, group)
		}
	}
	a.groups = []int{a.gid}
	return a, nil
}

func numbers(a, b string) (x, y int, ok bool) {
	x, err := strconv.Atoi(a)
	y, other := strconv.Atoi(b)
	return x, y, err == nil && other == nil && x >= 0 && y >= 0
}

// eachLine calls use with the fields of the lines that have so many, until it
// returns false. A file that is missing has none.
func eachLine(file string, fields int, use func([]string) bool) error {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	scan := bufio.NewScanner(f)
	for scan.Scan() {
		if words := strings.Split(scan.Text(), ":"); len(words) >= fields && !use(words) {
			return nil
		}
	}
	return scan.Err()
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

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"zones/internal/control"
	"zones/internal/nsexec"
)

// zoneRoot is the root directory of a running zone, as the zone's first
// process has it. The zone decides what is in it: names are resolved by the
// kernel without leaving it, and what is opened is looked at before use.
type zoneRoot struct {
	fd     int
	ids    uint32   // how many ids the zone has
	first  *os.File // pidfd of the zone's first process
	record *control.Record
}

func openRoot(record *control.Record) (*zoneRoot, error) {
	first, err := record.PIDFD()
	if err != nil {
		return nil, err
	}
	fd, err := unix.Open(filepath.Join("/proc", strconv.Itoa(record.PID), "root"), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil && !record.Alive() {
		// The number may have become another process before it was used.
		unix.Close(fd)
		err = control.ErrNotActive
	}
	if err != nil {
		first.Close()
		return nil, err
	}
	return &zoneRoot{fd: fd, ids: record.UIDCount, first: first, record: record}, nil
}

func (r *zoneRoot) close() {
	unix.Close(r.fd)
	r.first.Close()
}

// open never waits: a FIFO in the place of a file is found out, not read.
func (r *zoneRoot) open(name string, flags int) (*os.File, error) {
	if flags&unix.O_PATH == 0 {
		flags |= unix.O_NOCTTY | unix.O_NONBLOCK
	}
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	for {
		fd, err := unix.Openat2(r.fd, name, &how)
		if err == unix.EAGAIN || err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		return os.NewFile(uintptr(fd), name), nil
	}
}

// has reports whether a program is there, as far as can be seen from outside.
func (r *zoneRoot) has(name string) bool {
	f, err := r.open(strings.TrimPrefix(name, "/"), unix.O_PATH)
	if err != nil {
		return false
	}
	defer f.Close()
	st, err := f.Stat()
	return err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o111 != 0
}

// defaultPath is what a login finds programs by. Where /bin is not a part of
// /usr, as in small images, it comes after it.
func (r *zoneRoot) defaultPath() string {
	const base = "/usr/sbin:/usr/bin"
	var st unix.Stat_t
	if unix.Fstatat(r.fd, "bin", &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return base + ":/sbin:/bin"
	}
	return base
}

// environment is everything that a process entered into the zone sees: what
// the zone's own configuration sets, and a login. Of ours there is only TERM.
func (r *zoneRoot) environment(a *account) []string {
	values := map[string]string{}
	var order []string
	set := func(key, value string) {
		if _, ok := values[key]; !ok {
			order = append(order, key)
		}
		values[key] = value
	}
	set("PATH", r.defaultPath())
	for _, e := range r.record.Env {
		if key, value, ok := strings.Cut(e, "="); ok {
			set(key, value)
		}
	}
	if term := os.Getenv("TERM"); term != "" && sane(term) {
		set("TERM", term)
	}
	set("HOME", a.home)
	set("SHELL", a.shell)
	if a.found {
		set("LOGNAME", a.name)
		set("USER", a.name)
		set("MAIL", "/var/mail/"+a.name)
	}
	env := make([]string, len(order))
	for i, key := range order {
		env[i] = key + "=" + values[key]
	}
	return env
}

// process describes what is started inside for o: a shell of the account's,
// with the command if there is one.
func (r *zoneRoot) process(o *options, a *account) (*nsexec.Enter, error) {
	limits, err := r.limits()
	if err != nil {
		return nil, err
	}
	shell := a.shell
	if o.safe || a.uid == 0 && !r.has(shell) {
		shell = "/bin/sh"
		if !r.has(shell) && r.has("/sbin/sh") {
			shell = "/sbin/sh"
		}
		a.shell = shell
	}
	e := &nsexec.Enter{
		Target: r.first, UID: a.uid, GID: a.gid, Groups: a.groups, Dir: a.home,
		Path: shell, Limits: limits, Env: r.environment(a),
	}
	name := filepath.Base(shell)
	// A login shell is told by its name; root's commands run without a
	// login, as su(1) has it.
	if len(o.words) == 0 && !o.safe || a.uid != 0 {
		name = "-" + name
	}
	e.Argv = []string{name}
	if len(o.words) > 0 {
		e.Argv = append(e.Argv, "-c", o.line())
	}
	return e, nil
}

func (r *zoneRoot) limits() (nsexec.Limits, error) {
	l := nsexec.Limits{Caps: r.record.CapsKept, Seccomp: nsexec.SeccompFilter()}
	for _, text := range r.record.Rlimits {
		limit, err := nsexec.ParseRlimit(text)
		if err != nil {
			return l, err
		}
		l.Rlimits = append(l.Rlimits, limit)
	}
	return l, nil
}

// enter starts e in the zone's cgroup, or, when the zone has divided that up
// so that it takes no processes any more, beside the zone's first process.
func (r *zoneRoot) enter(ctx context.Context, e *nsexec.Enter) (*nsexec.Child, error) {
	if r.record.Cgroup == "" {
		return e.Start(ctx)
	}
	var child *nsexec.Child
	var err error
	for _, dir := range []func() (*os.File, error){r.cgroup, r.firstCgroup} {
		if e.Cgroup, err = dir(); err != nil {
			return nil, fmt.Errorf("open the zone's cgroup: %w", err)
		}
		child, err = e.Start(ctx)
		e.Cgroup.Close()
		if err == nil || !errors.Is(err, unix.EBUSY) {
			break
		}
	}
	return child, err
}

func (r *zoneRoot) cgroup() (*os.File, error) {
	return os.OpenFile(r.record.Cgroup, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
}

const cgroupMount = "/sys/fs/cgroup"

// firstCgroup is the cgroup of the zone's first process, which must be within
// that of the zone.
func (r *zoneRoot) firstCgroup() (*os.File, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(r.record.PID), "cgroup"))
	if err != nil {
		return nil, err
	}
	dir, ok := strings.CutPrefix(strings.TrimSuffix(string(raw), "\n"), "0::")
	if !ok {
		return nil, errors.New("the host does not use cgroup v2 alone")
	}
	dir = filepath.Join(cgroupMount, dir)
	if dir != r.record.Cgroup && !strings.HasPrefix(dir, r.record.Cgroup+"/") {
		return nil, control.ErrNotActive
	}
	return os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
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
	for tries := 0; ; tries++ {
		fd, err := unix.Openat2(r.fd, name, &how)
		if err == unix.EINTR || err == unix.EAGAIN && tries < maxTries {
			continue
		}
		if err != nil {
			return nil, err
		}
		return os.NewFile(uintptr(fd), name), nil
	}
}

// maxTries bounds how often the kernel is asked again for a file that the zone
// renames all the time, or has a lease on.
const maxTries = 100

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

// environment is everything that a process entered into the zone sees, as
// illumos has it. Of ours there is only TERM.
func (r *zoneRoot) environment(a *account, term string) []string {
	env := []string{"PATH=" + r.defaultPath(), "HOME=" + a.home, "SHELL=" + a.shell}
	if term != "" && sane(term) {
		env = append(env, "TERM="+term)
	}
	if a.found {
		env = append(env, "LOGNAME="+a.name, "MAIL=/var/mail/"+a.name)
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
		Path: shell, Limits: limits, Env: r.environment(a, os.Getenv("TERM")),
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
	l.Rlimits = nsexec.AllowRlimits(l.Rlimits)
	return l, nil
}

// enter starts e in a cgroup of the zone's.
func (r *zoneRoot) enter(ctx context.Context, e *nsexec.Enter) (child *nsexec.Child, err error) {
	err = r.record.InGroup(func(group *os.File) (err error) {
		e.Cgroup = group
		child, err = e.Start(ctx)
		return err
	})
	return child, err
}

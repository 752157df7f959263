// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// An account is a user as the zone's own files have it. Nothing in it is
// trusted: it is used inside the zone only.
type account struct {
	name     string
	uid, gid uint32
	groups   []uint32
	home     string
	shell    string
	found    bool // false for what root gets when the files are of no use
}

// errNoUser is a user that the zone does not know.
var errNoUser = errors.New("no such user")

// The bounds of what is read of the zone's files, and of what is taken over.
const (
	maxFile   = 4 << 20
	maxField  = 1024
	maxGroups = 256
)

// root is the account that serves when the zone's files do not.
func rootAccount() *account { return &account{name: "root", home: "/", shell: "/bin/sh"} }

// lookup finds a user in the zone whose root directory is open. Root is always
// found: a zone with a damaged password file is one that needs a login.
func (r *zoneRoot) lookup(user string) (*account, error) {
	if user == "" {
		user = "root"
	}
	passwd, err := r.read("etc/passwd")
	a := findUser(passwd, user)
	switch {
	case a == nil && user == "root":
		return rootAccount(), nil
	case err != nil:
		return nil, fmt.Errorf("could not read the zone's /etc/passwd: %w", err)
	case a == nil:
		return nil, fmt.Errorf("%w: '%s'", errNoUser, user)
	}
	if uint64(a.uid) >= uint64(r.ids) || uint64(a.gid) >= uint64(r.ids) {
		if user == "root" {
			return rootAccount(), nil
		}
		return nil, fmt.Errorf("user '%s' has an id that the zone does not have", user)
	}
	group, _ := r.read("etc/group")
	a.groups = findGroups(group, a.name, a.gid, r.ids)
	return a, nil
}

// read returns the content of a file of the zone, resolved inside the zone. It
// must be a regular file of reasonable size.
func (r *zoneRoot) read(name string) (string, error) {
	f, err := r.open(name, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", err
	}
	var on unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &on); err != nil {
		return "", err
	}
	// To read what the kernel makes up may wait, take from the host what it has
	// not seen yet, or do something.
	if !st.Mode().IsRegular() || on.Type == unix.PROC_SUPER_MAGIC || on.Type == unix.SYSFS_MAGIC {
		return "", errors.New("it is not a regular file")
	}
	if st.Size() > maxFile {
		return "", fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	// No more than it says it has, which is nothing for such a file that is seen
	// through another file system.
	raw := make([]byte, st.Size())
	n, err := f.ReadAt(raw, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return string(raw[:n]), nil
}

// findUser returns the first usable line of a user in a password file, or nil.
func findUser(passwd, user string) *account {
	for line := range strings.Lines(passwd) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(f) != 7 || f[0] != user {
			continue
		}
		uid, err := strconv.ParseUint(f[2], 10, 32)
		gid, err2 := strconv.ParseUint(f[3], 10, 32)
		if err != nil || err2 != nil || !sane(f[5]) || !sane(f[6]) {
			continue
		}
		a := &account{name: user, uid: uint32(uid), gid: uint32(gid), home: f[5], shell: f[6], found: true}
		if !path.IsAbs(a.home) {
			a.home = "/"
		}
		if !path.IsAbs(a.shell) {
			a.shell = "/bin/sh"
		}
		return a
	}
	return nil
}

func sane(field string) bool {
	return len(field) <= maxField && strings.IndexFunc(field, func(c rune) bool { return c < ' ' || c == 0x7f }) < 0
}

// findGroups returns the ids of the groups that a user is a member of, the
// primary one first.
func findGroups(group, user string, primary, ids uint32) []uint32 {
	found := []uint32{primary}
	for line := range strings.Lines(group) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(f) != 4 || !slices.Contains(strings.Split(f[3], ","), user) {
			continue
		}
		gid, err := strconv.ParseUint(f[2], 10, 32)
		if err != nil || gid >= uint64(ids) || slices.Contains(found, uint32(gid)) {
			continue
		}
		if found = append(found, uint32(gid)); len(found) == maxGroups {
			break
		}
	}
	return found
}

// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"errors"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// attributes are the mount options that belong to a mount and not to its file
// system, and what they set or clear.
var attributes = map[string]struct{ set, clear uint64 }{
	"ro": {set: unix.MOUNT_ATTR_RDONLY}, "rw": {clear: unix.MOUNT_ATTR_RDONLY},
	"nosuid": {set: unix.MOUNT_ATTR_NOSUID}, "suid": {clear: unix.MOUNT_ATTR_NOSUID}, "nosetuid": {set: unix.MOUNT_ATTR_NOSUID},
	"setuid": {clear: unix.MOUNT_ATTR_NOSUID}, "nodev": {set: unix.MOUNT_ATTR_NODEV}, "nodevices": {set: unix.MOUNT_ATTR_NODEV},
	"dev": {clear: unix.MOUNT_ATTR_NODEV}, "devices": {clear: unix.MOUNT_ATTR_NODEV},
	"noexec": {set: unix.MOUNT_ATTR_NOEXEC}, "exec": {clear: unix.MOUNT_ATTR_NOEXEC},
	"noatime": {set: unix.MOUNT_ATTR_NOATIME}, "atime": {}, "relatime": {}, "strictatime": {set: unix.MOUNT_ATTR_STRICTATIME},
	"nodiratime": {set: unix.MOUNT_ATTR_NODIRATIME}, "nosymfollow": {set: unix.MOUNT_ATTR_NOSYMFOLLOW}, "defaults": {},
}

// deep is the option of a bind entry that shows what is mounted below its
// source too.
const deep = "rbind"

// split parts options into mount attributes and what the file system gets.
// Device nodes mean nothing unless "dev" says so.
func split(options []string) (set uint64, rest []string, rec bool) {
	set = unix.MOUNT_ATTR_NODEV
	for _, o := range options {
		for _, word := range strings.Split(o, ",") {
			a, ok := attributes[word]
			switch {
			case ok:
				set = set&^a.clear | a.set
			case word == deep:
				rec = true
			case word != "":
				rest = append(rest, word)
			}
		}
	}
	return set, rest, rec
}

// mount puts one entry into the tree. Its mount point is made when missing, and
// so are those that later entries have in it.
func (b *builder) mount(e Entry, later []Entry) error {
	set, rest, rec := split(e.Options)
	tree, err := e.open(set, rest, rec)
	if err != nil {
		return &Error{"mount", e.Source + " on " + e.Target, err}
	}
	defer tree.Close()
	b.pointsIn(tree, e, later)
	if e.Mapped {
		err := setattr(tree, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(b.userns.Fd())}, false)
		// Some kinds that are only ever read, such as those of CDs, cannot: what
		// everybody may read in them the container can.
		if err != nil && !(errors.Is(err, unix.EINVAL) && set&unix.MOUNT_ATTR_RDONLY != 0) {
			return &Error{"map ids of", e.Source + " on " + e.Target, err}
		}
	}
	if err := b.makePoint(tree, e.Target); err != nil {
		return err
	}
	return b.attach(tree, e.Target)
}

// pointsIn makes the mount points of later entries that are in the one whose
// mount is tree, and not in one between: once it is part of the whole, and its
// ids are mapped, that cannot be done any more. What stands in the way is found
// out when such an entry is mounted.
func (b *builder) pointsIn(tree *os.File, e Entry, later []Entry) {
	owner := 0
	if !e.Mapped {
		owner = b.base
	}
	for i, l := range later {
		between := slices.ContainsFunc(later[:i], func(m Entry) bool { return below(l.Target, m.Target) != "" })
		point := below(l.Target, e.Target)
		if between || point == "" {
			continue
		}
		if l.Type == Bind {
			if info, err := os.Stat(l.Source); err != nil || !info.IsDir() {
				continue
			}
		}
		if fd, err := openAll(int(tree.Fd()), point, 0o755, owner); err == nil {
			unix.Close(fd)
		}
	}
}

// below is what leads from a folder to a path in it, empty for any other.
func below(path, folder string) string {
	rest, ok := strings.CutPrefix(strings.Trim(path, "/"), strings.Trim(folder, "/")+"/")
	if !ok {
		return ""
	}
	return rest
}

// makePoint makes the mount point of e when it is missing: a folder, or a file
// for a file.
func (b *builder) makePoint(tree *os.File, target string) error {
	if to, err := b.resolve(target); err == nil {
		return to.Close()
	}
	info, err := tree.Stat()
	if err != nil || info.IsDir() {
		return b.makeDir(target)
	}
	dir, leaf := splitPath(target)
	if err := b.makeDir(dir); err != nil && dir != "" {
		return err
	}
	where, _ := b.place(target)
	parent, err := unix.Openat2(int(where.Fd()), "./"+dir, &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS})
	if err != nil {
		return &Error{"make", target, err}
	}
	defer unix.Close(parent)
	fd, err := unix.Openat(parent, leaf, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return &Error{"make", target, err}
	}
	return unix.Close(fd)
}

func splitPath(target string) (dir, leaf string) {
	target = strings.Trim(target, "/")
	i := strings.LastIndexByte(target, '/')
	if i < 0 {
		return "", target
	}
	return target[:i], target[i+1:]
}

// open makes the entry's mount, detached.
func (e *Entry) open(set uint64, rest []string, rec bool) (*os.File, error) {
	if e.Type != Bind {
		flags, source := int(set), e.Source
		readOnly := set&unix.MOUNT_ATTR_RDONLY != 0
		if readOnly {
			rest = append(rest, "ro")
		}
		if isFile(source) {
			dev, err := newLoop(source, readOnly)
			if err != nil {
				return nil, err
			}
			defer dev.Close()
			source = dev.Name()
		}
		return newFS(e.Type, source, flags, rest...)
	}
	tree, err := clone(nil, e.Source, rec)
	if err != nil {
		return nil, err
	}
	if err := setattr(tree, unix.MountAttr{Attr_set: set}, rec); err != nil {
		tree.Close()
		return nil, err
	}
	return tree, nil
}

// Look mounts a file system, detached and for reading, and tells who owns its
// root folder, as the host's id. The caller closes what it gets.
func Look(kind, source string, options ...string) (tree *os.File, uid int, err error) {
	return look(kind, source, append([]string{"ro"}, options...))
}

func look(kind, source string, options []string) (*os.File, int, error) {
	const quiet = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_NOATIME
	tree, err := newFS(kind, source, quiet, options...)
	if err != nil {
		return nil, 0, &Error{"open", source, err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(tree.Fd()), &st); err != nil {
		tree.Close()
		return nil, 0, &Error{"look at", source, err}
	}
	return tree, int(st.Uid), nil
}

// Own makes the root folder of a file system that nobody has used yet belong
// to base, the host's id of a container's root: one that the host's root owns
// is changed, any other stays. The file system is mounted nowhere for it.
func Own(kind, source string, base int, options ...string) error {
	tree, uid, err := look(kind, source, options)
	if err != nil {
		return err
	}
	defer tree.Close()
	if uid != 0 {
		return nil
	}
	if err := unix.Fchownat(int(tree.Fd()), "", base, base, unix.AT_EMPTY_PATH); err != nil {
		return &Error{"own", source, err}
	}
	return nil
}

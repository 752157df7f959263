// SPDX-License-Identifier: Apache-2.0

// Package mount builds the tree of file systems that a container sees, from
// outside, by the descriptor-based mount calls. It starts no process, and it
// follows no link below the root it is given.
package mount

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A Tree is what a container's mount namespace begins with.
type Tree struct {
	Root    string // folder of the host that becomes "/"
	Dev     Dev
	Entries []Entry // in the order in which they are mounted
	// HostSys shows the host's /sys, read-only, for a container that shares the
	// host's network and so cannot have one of its own.
	HostSys bool
	Files   []File
}

// An Entry is one file system of the tree.
type Entry struct {
	Type    string   // a file system type, or Bind
	Source  string   // device, dataset, or folder of the host
	Target  string   // absolute path inside
	Options []string // "ro", "nosuid", "key=value", ...
	Mapped  bool     // ids on disk are those of the container
	Check   string   // device to be checked before the mount; empty for none
}

// A File is one that is written into the root before the container starts, as
// far as the root lets it: what stands in the way stays.
type File struct {
	Path string // absolute, inside
	Data []byte
}

// Bind is the type of an entry that shows a folder or file of the host.
const Bind = "bind"

// An Error is what went wrong with one path.
type Error struct {
	Op, Path string
	Err      error
}

func (e *Error) Error() string { return e.Op + " " + e.Path + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// ErrLink says that a component of a path inside is a symbolic link.
var ErrLink = errors.New("is a symlink")

// Inside is the place in the calling thread's mount namespace where Build puts
// the tree's root.
const Inside = "/root"

// Build replaces the calling thread's mounts by the tree, at Inside, with
// nothing of the host beside it but what a user namespace must see to mount a
// proc and a sysfs of its own. The thread must have been given a mount
// namespace and a root of its own by Isolate, and is of no other use any more.
// userns is a user namespace with the container's id maps, base the host's id
// of the container's root; stage is a folder of the host's over which the tree
// is put together, unseen by anybody else.
func (t *Tree) Build(stage string, userns *os.File, base int) error {
	if err := newStage(stage); err != nil {
		return err
	}
	root, err := OpenRoot(t.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	tree, err := clone(root, "", false)
	if err != nil {
		return &Error{"mount", t.Root, err}
	}
	defer tree.Close()
	if err := setattr(tree, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP | unix.MOUNT_ATTR_NODEV, Userns_fd: uint64(userns.Fd())}, false); err != nil {
		return &Error{"map ids of", t.Root, err}
	}
	if err := moveTo(tree, stage, "root"); err != nil {
		return &Error{"mount", t.Root, err}
	}
	// The names inside are looked up on the mounted tree; what is missing is
	// made through root, where ids are as on disk.
	top, err := os.OpenFile(stage+Inside, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer top.Close()
	b := &builder{root: root, top: top, userns: userns, base: base}
	if err := b.standard(t); err != nil {
		return err
	}
	for _, f := range t.Files {
		b.write(f)
	}
	for i, e := range t.Entries {
		if err := b.mount(e, t.Entries[i+1:]); err != nil {
			return err
		}
	}
	return enter(stage)
}

type builder struct {
	root, top *os.File
	userns    *os.File
	base      int
}

func (b *builder) standard(t *Tree) error {
	for _, name := range []string{"proc", "sys", "dev", "run"} {
		if err := b.makeDir(name); err != nil {
			return err
		}
	}
	dev, err := t.Dev.build(b.base)
	if err != nil {
		return err
	}
	defer dev.Close()
	if err := b.attach(dev, "dev"); err != nil {
		return err
	}
	if err := t.Dev.bindConsole(b); err != nil {
		return err
	}
	run, err := newTmpfs(unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, "mode=755", "size=20%", b.owner("uid"), b.owner("gid"))
	if err != nil {
		return &Error{"mount", "/run", err}
	}
	defer run.Close()
	if err := b.attach(run, "run"); err != nil {
		return err
	}
	if !t.HostSys {
		return nil
	}
	sys, err := cloneRestricted("/sys")
	if err != nil {
		return &Error{"mount", "/sys", err}
	}
	defer sys.Close()
	return b.attach(sys, "sys")
}

func (b *builder) owner(key string) string { return fmt.Sprintf("%s=%d", key, b.base) }

// resolve opens target below the tree's root without following any link.
func (b *builder) resolve(target string) (*os.File, error) {
	target = strings.Trim(target, "/")
	if target == "" {
		target = "."
	}
	fd, err := unix.Openat2(int(b.top.Fd()), target, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS})
	if errors.Is(err, unix.ELOOP) {
		err = ErrLink
	}
	if err != nil {
		return nil, &Error{"open", "/" + target, err}
	}
	return os.NewFile(uintptr(fd), target), nil
}

func (b *builder) attach(tree *os.File, target string) error {
	to, err := b.resolve(target)
	if err != nil {
		return err
	}
	defer to.Close()
	if err := unix.MoveMount(int(tree.Fd()), "", int(to.Fd()), "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return &Error{"mount", "/" + strings.Trim(target, "/"), err}
	}
	return nil
}

// place is where a mount point is made that is missing: the container's root,
// with ids as they are on disk, or one of the file systems that were made for
// it and hide what the root has there.
func (b *builder) place(target string) (at *os.File, owner int) {
	first, _, _ := strings.Cut(strings.TrimLeft(target, "/"), "/")
	if first == "run" || first == "dev" {
		return b.top, b.base
	}
	return b.root, 0
}

// makeDir makes a folder of the container's root, with its parents, unless it
// is there: owned by the container's root, mode 0755.
func (b *builder) makeDir(target string) error {
	where, owner := b.root, 0
	if strings.Contains(strings.Trim(target, "/"), "/") {
		where, owner = b.place(target)
	}
	at := int(where.Fd())
	parts := strings.Split(strings.Trim(target, "/"), "/")
	for i := range parts {
		path := filepath.Join(parts[:i+1]...)
		fd, err := unix.Openat2(at, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS})
		if err == nil {
			unix.Close(fd)
			continue
		}
		switch {
		case errors.Is(err, unix.ELOOP):
			return &Error{"use", "/" + path, ErrLink}
		case !errors.Is(err, unix.ENOENT):
			return &Error{"use", "/" + path, err}
		}
		if err := b.makeIn(at, parts[:i], parts[i], owner); err != nil {
			return &Error{"make", "/" + path, err}
		}
	}
	return nil
}

func (b *builder) makeIn(at int, parents []string, name string, owner int) error {
	parent, err := unix.Openat2(at, filepath.Join(append([]string{"."}, parents...)...), &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS})
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	if err := unix.Mkdirat(parent, name, 0o755); err != nil {
		if errors.Is(err, unix.EEXIST) {
			return nil
		}
		return err
	}
	return unix.Fchownat(parent, name, owner, owner, unix.AT_SYMLINK_NOFOLLOW)
}

// write puts a file into the root. It replaces what has the name rather than
// opening it, as that may be anything.
func (b *builder) write(f File) {
	dir, leaf := splitPath(f.Path)
	if b.makeDir(dir) != nil {
		return
	}
	parent, err := unix.Openat2(int(b.root.Fd()), dir, &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS})
	if err != nil {
		return
	}
	defer unix.Close(parent)
	if same(parent, leaf, f.Data) {
		return
	}
	temp := "." + leaf + ".new"
	_ = unix.Unlinkat(parent, temp, 0)
	fd, err := unix.Openat(parent, temp, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return
	}
	_, err = unix.Write(fd, f.Data)
	unix.Close(fd)
	if err != nil || unix.Renameat(parent, temp, parent, leaf) != nil {
		_ = unix.Unlinkat(parent, temp, 0)
	}
}

// same reports whether a regular file has just this content.
func same(parent int, leaf string, data []byte) bool {
	var st unix.Stat_t
	if unix.Fstatat(parent, leaf, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return false
	}
	fd, err := unix.Openat(parent, leaf, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size != int64(len(data)) {
		return false
	}
	has := make([]byte, len(data)+1)
	n, err := unix.Read(fd, has)
	return err == nil && string(has[:n]) == string(data)
}

// OpenRoot opens the folder that becomes a container's root. No component of
// its path may be a link.
func OpenRoot(path string) (*os.File, error) {
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS})
	if errors.Is(err, unix.ELOOP) {
		err = ErrLink
	}
	if err != nil {
		return nil, &Error{"open", path, err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

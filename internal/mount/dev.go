// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Dev is the content of /dev.
type Dev struct {
	Nodes []Node
	Links []Link
	Dirs  []string // below /dev, mode 0755
	// Console is the host's path of a terminal that appears as /dev/console.
	Console string
}

// A Node is a device node, owned by the container's root.
type Node struct {
	Name         string // below /dev
	Block        bool
	Major, Minor uint32
	Mode         uint32 // permission bits
}

// A Link is a symbolic link.
type Link struct{ Name, To string }

// StandardDev is what every container has.
func StandardDev() Dev {
	char := func(name string, major, minor uint32) Node { return Node{name, false, major, minor, 0o666} }
	return Dev{
		Nodes: []Node{char("null", 1, 3), char("zero", 1, 5), char("full", 1, 7), char("random", 1, 8),
			char("urandom", 1, 9), char("tty", 5, 0)},
		Links: []Link{{"ptmx", "pts/ptmx"}, {"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"},
			{"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"}},
		Dirs: []string{"pts", "shm", "mqueue"},
	}
}

// HostNode is a node like one of the host's, below /dev; a link there stands
// for what it leads to.
func HostNode(name string) (Node, error) {
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join("/dev", name), &st); err != nil {
		return Node{}, &Error{"copy", "/dev/" + name, err}
	}
	kind := st.Mode & unix.S_IFMT
	if kind != unix.S_IFCHR && kind != unix.S_IFBLK {
		return Node{}, &Error{"copy", "/dev/" + name, errors.New("is not a device")}
	}
	return Node{name, kind == unix.S_IFBLK, unix.Major(st.Rdev), unix.Minor(st.Rdev), st.Mode & 0o777}, nil
}

// build makes /dev, detached. It is ours, so that names in it can be trusted
// until the container runs.
func (d *Dev) build(base int) (*os.File, error) {
	owner := func(key string) string { return fmt.Sprintf("%s=%d", key, base) }
	dev, err := newTmpfs(unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC, "mode=755", "size=4m", "nr_inodes=16k", owner("uid"), owner("gid"))
	if err != nil {
		return nil, &Error{"mount", "/dev", err}
	}
	if err := d.fill(dev, base); err != nil {
		dev.Close()
		return nil, err
	}
	return dev, nil
}

func (d *Dev) fill(dev *os.File, base int) error {
	at := int(dev.Fd())
	old := unix.Umask(0)
	defer unix.Umask(old)
	own := func(name string) error { return unix.Fchownat(at, name, base, base, unix.AT_SYMLINK_NOFOLLOW) }
	for _, name := range d.Dirs {
		mode := uint32(0o755)
		if name == "shm" || name == "mqueue" {
			mode = 0o1777
		}
		if err := makeAll(at, name, mode, base); err != nil {
			return &Error{"make", "/dev/" + name, err}
		}
	}
	for _, n := range d.Nodes {
		if err := MakeNode(dev, n, base); err != nil {
			return err
		}
	}
	for _, l := range d.Links {
		if err := makeAll(at, filepath.Dir(l.Name), 0o755, base); err != nil {
			return &Error{"make", "/dev/" + l.Name, err}
		}
		if err := unix.Symlinkat(l.To, at, l.Name); err != nil {
			return &Error{"make", "/dev/" + l.Name, err}
		}
		if err := own(l.Name); err != nil {
			return &Error{"make", "/dev/" + l.Name, err}
		}
	}
	if d.Console == "" {
		return nil
	}
	// Something to mount the terminal on.
	fd, err := unix.Openat(at, "console", unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &Error{"make", "/dev/console", err}
	}
	unix.Close(fd)
	return own("console")
}

// MakeNode makes a device node in a /dev, with its parents. Nothing is
// followed out of it, whatever the container has put there.
func MakeNode(dev *os.File, n Node, base int) error {
	mode := n.Mode | unix.S_IFCHR
	if n.Block {
		mode = n.Mode | unix.S_IFBLK
	}
	parent, err := openAll(int(dev.Fd()), filepath.Dir(n.Name), 0o755, base)
	if err != nil {
		return &Error{"make", "/dev/" + n.Name, err}
	}
	defer unix.Close(parent)
	leaf, number := filepath.Base(n.Name), unix.Mkdev(n.Major, n.Minor)
	var st unix.Stat_t
	if unix.Fstatat(parent, leaf, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == mode&unix.S_IFMT && st.Rdev != number {
		_ = unix.Unlinkat(parent, leaf, 0) // of a device that had the name before
	}
	err = unix.Mknodat(parent, leaf, mode, int(number))
	if err == nil {
		err = unix.Fchownat(parent, leaf, base, base, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return &Error{"make", "/dev/" + n.Name, err}
	}
	return nil
}

func makeAll(at int, path string, mode uint32, base int) error {
	fd, err := openAll(at, path, mode, base)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// openAll opens a folder below at, and makes it and its parents where they are
// missing. A link on the way is an error: from outside it would lead to a place
// of the host.
func openAll(at int, path string, mode uint32, base int) (int, error) {
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	dir, err := unix.Openat2(at, ".", how)
	if err != nil || path == "." {
		return dir, err
	}
	for _, name := range strings.Split(path, "/") {
		err := unix.Mkdirat(dir, name, mode)
		if err == nil {
			err = unix.Fchownat(dir, name, base, base, unix.AT_SYMLINK_NOFOLLOW)
		}
		next := -1
		if err == nil || errors.Is(err, unix.EEXIST) {
			next, err = unix.Openat2(dir, name, how)
		}
		unix.Close(dir)
		if err != nil {
			return -1, err
		}
		dir = next
	}
	return dir, nil
}

func (d *Dev) bindConsole(b *builder) error {
	if d.Console == "" {
		return nil
	}
	tree, err := clone(nil, d.Console, false)
	if err != nil {
		return &Error{"mount", "/dev/console", err}
	}
	defer tree.Close()
	return b.attach(tree, "dev/console")
}

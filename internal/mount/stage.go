// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Isolate gives the calling thread a mount namespace and a root of its own.
// The caller has locked its goroutine to the thread and never unlocks it.
func Isolate() error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make mount namespace: %w", err)
	}
	// Nothing mounted here may show up on the host, nor the other way round.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	return nil
}

// newStage mounts an empty file system at dir, in which the tree is put
// together. It holds the host's proc and sysfs, because the kernel lets a
// user namespace mount its own only where it sees those in full.
func newStage(dir string) error {
	proc, err := cloneRestricted("/proc")
	if err != nil {
		return &Error{"clone", "/proc", err}
	}
	defer proc.Close()
	sys, err := cloneRestricted("/sys")
	if err != nil {
		return &Error{"clone", "/sys", err}
	}
	defer sys.Close()
	stage, err := newTmpfs(unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, "mode=755", "size=64k")
	if err != nil {
		return &Error{"mount", "stage", err}
	}
	defer stage.Close()
	if err := unix.MoveMount(int(stage.Fd()), "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &Error{"mount", dir, err}
	}
	for _, name := range []string{"root", "proc", "sys"} {
		if err := os.Mkdir(dir+"/"+name, 0o755); err != nil {
			return err
		}
	}
	if err := moveTo(proc, dir, "proc"); err != nil {
		return &Error{"mount", "/proc", err}
	}
	if err := moveTo(sys, dir, "sys"); err != nil {
		return &Error{"mount", "/sys", err}
	}
	return nil
}

// enter makes the stage the thread's root and lets the host's mounts go.
func enter(stage string) error {
	if err := unix.Chdir(stage); err != nil {
		return &Error{"enter", stage, err}
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return &Error{"pivot to", stage, err}
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return &Error{"leave", "/", err}
	}
	return unix.Chdir("/")
}

func moveTo(tree *os.File, stage, name string) error {
	return unix.MoveMount(int(tree.Fd()), "", unix.AT_FDCWD, stage+"/"+name, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// clone makes a detached copy of the mount at path below dir (nil for the
// thread's own root), with what is mounted below it when deep.
func clone(dir *os.File, path string, deep bool) (*os.File, error) {
	at := unix.AT_FDCWD
	if dir != nil {
		at = int(dir.Fd())
	}
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if path == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	if deep {
		flags |= unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(at, path, flags)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// cloneRestricted is a copy of one of the host's kernel file systems that
// nothing can be changed through.
func cloneRestricted(path string) (*os.File, error) {
	tree, err := clone(nil, path, false)
	if err != nil {
		return nil, err
	}
	const flags = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	attr := unix.MountAttr{Attr_set: flags}
	if path == "/sys" {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	if err := setattr(tree, attr, false); err != nil {
		tree.Close()
		return nil, err
	}
	return tree, nil
}

func setattr(tree *os.File, attr unix.MountAttr, deep bool) error {
	flags := uint(unix.AT_EMPTY_PATH)
	if deep {
		flags |= unix.AT_RECURSIVE
	}
	return unix.MountSetattr(int(tree.Fd()), "", flags, &attr)
}

// newFS makes a detached mount of a new file system instance.
func newFS(kind, source string, flags int, options ...string) (*os.File, error) {
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fs)
	if source != "" {
		if err := unix.FsconfigSetString(fs, "source", source); err != nil {
			return nil, err
		}
	}
	for _, o := range options {
		key, value, ok := strings.Cut(o, "=")
		if ok {
			err = unix.FsconfigSetString(fs, key, value)
		} else {
			err = unix.FsconfigSetFlag(fs, key)
		}
		if err != nil {
			return nil, fmt.Errorf("option %s: %w", o, err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, err
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, flags)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), kind), nil
}

func newTmpfs(flags int, options ...string) (*os.File, error) {
	return newFS("tmpfs", "tmpfs", flags, options...)
}

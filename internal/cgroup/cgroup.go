// SPDX-License-Identifier: Apache-2.0

// Package cgroup makes, limits, empties and removes control groups of the
// unified hierarchy. It knows no zone and starts no process.
package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Limits are what a group may use. A zero value sets no limit.
type Limits struct {
	CPUQuota  uint64  // microseconds of processor time in each CPUPeriod
	CPUWeight uint64  // 1 to 10000, among siblings; the kernel's default is 100
	CPUIdle   bool    // runs only when nothing else wants to
	Memory    uint64  // bytes
	Swap      *uint64 // bytes of swap space; nil for no limit
	PIDs      uint64  // tasks
	IOWeight  uint64  // 1 to 10000, among siblings
}

// CPUPeriod is the length of the interval for which CPUQuota is counted.
const CPUPeriod = 100000

// A Setting is one file of a group and what is written to it.
type Setting struct{ Controller, File, Value string }

// Settings are the files of a group that carry the limits, in order.
func (l Limits) Settings() []Setting {
	var s []Setting
	add := func(controller, file, value string) {
		s = append(s, Setting{controller, controller + "." + file, value})
	}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	if l.CPUQuota != 0 {
		add("cpu", "max", fmt.Sprintf("%d %d", l.CPUQuota, CPUPeriod))
	}
	if l.CPUIdle {
		add("cpu", "idle", "1")
	} else if l.CPUWeight != 0 {
		add("cpu", "weight", number(l.CPUWeight))
	}
	if l.Memory != 0 {
		add("memory", "max", number(l.Memory))
	}
	if l.Swap != nil {
		add("memory", "swap.max", number(*l.Swap))
	}
	if l.PIDs != 0 {
		add("pids", "max", number(l.PIDs))
	}
	if l.IOWeight != 0 {
		add("io", "weight", number(l.IOWeight))
	}
	return s
}

var (
	// ErrNoHierarchy says that the unified hierarchy is not mounted.
	ErrNoHierarchy = errors.New("no cgroup2 hierarchy is mounted at /sys/fs/cgroup")
	// ErrBusy says that processes are left in a group.
	ErrBusy = errors.New("processes are left in it")
)

// A ControllerError is a controller that a limit needs and the kernel, or the
// hierarchy, does not offer.
type ControllerError struct{ Controller, File string }

func (e *ControllerError) Error() string {
	return fmt.Sprintf("%s cannot be limited: cgroup controller %s is not available", e.File, e.Controller)
}

// Mount is where the unified hierarchy is mounted.
func Mount() (string, error) {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			return dir, nil
		}
	}
	return "", ErrNoHierarchy
}

// Controllers are those that groups at the top of the hierarchy can have.
func Controllers() ([]string, error) {
	top, err := Mount()
	if err != nil {
		return nil, err
	}
	return words(filepath.Join(top, "cgroup.controllers"))
}

// Create makes the group at path, absolute, and its parents up to the
// hierarchy's top, with all controllers there are, and limits it. One that is
// there already must be empty and is made anew.
func Create(path string, l Limits) error {
	top, err := Mount()
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(top, path)
	if err != nil || strings.HasPrefix(rel, "..") || rel == "." {
		return fmt.Errorf("make cgroup %s: not below %s", path, top)
	}
	if err := Remove(path); err != nil {
		return err
	}
	dir := top
	for _, part := range strings.Split(rel, "/") {
		enable(dir)
		dir = filepath.Join(dir, part)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("make cgroup: %w", err)
		}
	}
	if err := errors.Join(bound(path), apply(path, l)); err != nil {
		_ = Remove(path)
		return err
	}
	return nil
}

// What a delegate may make below a group is what Remove can remove, and in a
// time that can be waited for.
const (
	mostDepth       = maxDepth - 16
	mostDescendants = 20000
)

func bound(path string) error {
	for file, most := range map[string]int{"cgroup.max.depth": mostDepth, "cgroup.max.descendants": mostDescendants} {
		if err := write(path, file, strconv.Itoa(most)); err != nil {
			return fmt.Errorf("limit cgroup: %s: %w", file, err)
		}
	}
	return nil
}

// enable hands a group's controllers on to its children, as many as it can: a
// limit that needs one which is missing says so itself.
func enable(dir string) {
	have, _ := words(filepath.Join(dir, "cgroup.controllers"))
	on, _ := words(filepath.Join(dir, "cgroup.subtree_control"))
	for _, c := range have {
		if !slices.Contains(on, c) {
			_ = write(dir, "cgroup.subtree_control", "+"+c)
		}
	}
}

func apply(path string, l Limits) error {
	have, err := words(filepath.Join(path, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("limit cgroup: %w", err)
	}
	for _, s := range l.Settings() {
		if !slices.Contains(have, s.Controller) {
			return &ControllerError{s.Controller, s.File}
		}
		err := write(path, s.File, s.Value)
		if errors.Is(err, os.ErrNotExist) {
			return &ControllerError{s.Controller, s.File}
		}
		if err != nil {
			return fmt.Errorf("limit cgroup: %s: %w", s.File, err)
		}
	}
	return nil
}

// Delegate lets uid make groups below path. The limits of path itself stay out
// of its reach.
func Delegate(path string, uid int) error {
	for _, name := range []string{"", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"} {
		if err := os.Lchown(filepath.Join(path, name), uid, uid); err != nil {
			return fmt.Errorf("delegate cgroup: %w", err)
		}
	}
	return nil
}

// Enter moves the calling process into the group at path, which is made when
// it is missing.
func Enter(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("enter cgroup: %w", err)
	}
	if at, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		if own, ok := strings.CutPrefix(strings.TrimSpace(string(at)), "0::/"); ok && strings.HasSuffix(path, "/"+own) {
			return nil
		}
	}
	if err := write(path, "cgroup.procs", "0"); err != nil {
		return fmt.Errorf("enter cgroup %s: %w", path, err)
	}
	return nil
}

// Processes are those in the group and below it.
func Processes(path string) ([]int, error) {
	var pids []int
	err := filepath.WalkDir(path, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		list, _ := words(filepath.Join(dir, "cgroup.procs")) // it may be gone by now
		for _, w := range list {
			if pid, err := strconv.Atoi(w); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids, err
}

// Kill ends every process in the group and below it, and waits until none is
// left or ctx ends.
func Kill(ctx context.Context, path string) error {
	err := write(path, "cgroup.kill", "1")
	if errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("kill cgroup: %w", err)
	}
	return AwaitEmpty(ctx, path)
}

// AwaitEmpty waits until no process is in the group or below it.
func AwaitEmpty(ctx context.Context, path string) error {
	f, err := os.Open(filepath.Join(path, "cgroup.events"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("watch cgroup: %w", err)
	}
	defer f.Close()
	buf := make([]byte, 256)
	for {
		n, err := f.ReadAt(buf, 0)
		if n == 0 {
			return fmt.Errorf("watch cgroup: %w", err)
		}
		if !strings.Contains(string(buf[:n]), "populated 1") {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("empty cgroup %s: %w", path, ErrBusy)
		}
		// The kernel flags a change as urgent data; the short limit is for ctx.
		fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLPRI}}
		if _, err := unix.Poll(fds, 50); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("watch cgroup: %w", err)
		}
	}
}

// maxDepth bounds how deep Remove goes into what a delegate made.
const maxDepth = 64

// Remove removes the group and all below it. That none of them is there is no
// error; ErrBusy when a process is.
func Remove(path string) error {
	// The kernel lets go of a dead task's group a moment after its end.
	for wait := time.Millisecond; ; wait *= 2 {
		err := remove(path, maxDepth)
		if err == nil || !errors.Is(err, unix.EBUSY) {
			return err
		}
		if wait > 500*time.Millisecond {
			return fmt.Errorf("remove cgroup %s: %w", path, ErrBusy)
		}
		time.Sleep(wait)
	}
}

func remove(path string, depth int) error {
	err := unix.Rmdir(path)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	entries, rerr := os.ReadDir(path)
	if errors.Is(rerr, os.ErrNotExist) {
		return nil
	}
	if rerr != nil || depth == 0 {
		return fmt.Errorf("remove cgroup %s: %w", path, err)
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := remove(filepath.Join(path, e.Name()), depth-1); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(path); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove cgroup %s: %w", path, err)
	}
	return nil
}

// The attributes of a group that begin so can be read by those in it, or by
// nobody but whoever has all rights where the hierarchy was mounted first. Only
// he can set them: not whom a group was delegated to.
const (
	tagPrefix    = "security.zones."
	hiddenPrefix = "trusted.zones."
)

// maxTag is the most that the kernel keeps as one attribute.
const maxTag = 64 << 10

// Tag keeps a value with the group at path for as long as that is there.
func Tag(path, key, value string) error { return tag(path, tagPrefix+key, []byte(value)) }

// Hide is Tag for what those in the group may not read.
func Hide(path, key string, value []byte) error { return tag(path, hiddenPrefix+key, value) }

// Unhide drops what Hide has kept, if anything.
func Unhide(path, key string) { _ = unix.Lremovexattr(path, hiddenPrefix+key) }

func tag(path, name string, value []byte) error {
	if err := unix.Lsetxattr(path, name, value, 0); err != nil {
		return fmt.Errorf("tag cgroup: %w", err)
	}
	return nil
}

// TagOf is what Tag has kept with the group at path; empty when that is nothing.
func TagOf(path, key string) string { return string(tagOf(path, tagPrefix+key)) }

// Hidden is what Hide has kept with the group at path; empty when that is
// nothing, or not for the caller.
func Hidden(path, key string) []byte { return tagOf(path, hiddenPrefix+key) }

func tagOf(path, name string) []byte {
	for size := maxTag / 16; ; size = maxTag {
		buf := make([]byte, size)
		n, err := unix.Lgetxattr(path, name, buf)
		switch {
		case err == nil:
			return buf[:n]
		case size == maxTag || !errors.Is(err, unix.ERANGE):
			return nil
		}
	}
}

// OwnTag is what Tag has kept with the group that the caller's cgroup namespace
// begins at; false when there is nothing, or no telling.
func OwnTag(key string) (value string, ok bool) {
	top, err := Mount()
	if err != nil {
		return "", false
	}
	buf := make([]byte, maxTag)
	// What is mounted there may have changed since.
	f, err := os.OpenFile(top, unix.O_DIRECTORY|unix.O_RDONLY, 0)
	if err != nil {
		return "", false
	}
	defer f.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
		return "", false
	}
	n, err := unix.Fgetxattr(int(f.Fd()), tagPrefix+key, buf)
	if err != nil || n == 0 {
		return "", false
	}
	return string(buf[:n]), true
}

// Leaf makes, for a process that joins a running container, a group below path
// which uid owns, and opens it: path itself may hold no process once it has
// handed controllers on.
func Leaf(path, name string, uid int) (*os.File, error) {
	dir := filepath.Join(path, name)
	if err := os.Mkdir(dir, 0o755); err == nil {
		if err := Delegate(dir, uid); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("make cgroup: %w", err)
	}
	return Open(dir)
}

// Open opens a group for a process to start in.
func Open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open cgroup: %w", err)
	}
	return f, nil
}

func write(dir, file, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

func words(file string) ([]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return strings.Fields(string(data)), nil
}

// SPDX-License-Identifier: Apache-2.0

package mount_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zones/internal/mount"
	"zones/internal/nsexec"
)

// backed counts the loop devices that show a file.
func backed(t *testing.T, file string) (n int) {
	t.Helper()
	names, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if data, err := os.ReadFile(name); err == nil && strings.TrimSpace(string(data)) == file {
			n++
		}
	}
	return n
}

// diskImage makes a small file system in a file, or says what is missing.
func diskImage(t *testing.T, name string) {
	t.Helper()
	if _, err := os.Stat("/dev/loop-control"); err != nil || os.Getuid() != 0 {
		t.Skip("requires root and loop devices")
	}
	out, err := exec.Command("/sbin/mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", name, "1M").CombinedOutput()
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no file system can be made: %v: %s", err, out)
		}
		t.Skipf("requires mke2fs: %v: %s", err, out)
	}
}

// A file is mounted through a loop device, which is gone with the mounts, and
// mount points below what was mounted before are made there.
func TestImageFile(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	dir, root := folders(t)
	image := filepath.Join(dir, "disk")
	diskImage(t, image)
	cgroup := cgroupDir(t)
	tree := &mount.Tree{Root: root, Dev: mount.StandardDev(), Entries: []mount.Entry{
		{Type: "ext4", Source: image, Target: "/data", Mapped: true},
		{Type: mount.Bind, Source: filepath.Join(dir, "rw"), Target: "/run/deep/er", Mapped: true},
		{Type: mount.Bind, Source: filepath.Join(dir, "rw/hello"), Target: "/run/deep/file"},
	}}
	const common = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	in := &nsexec.Init{Cgroup: cgroup, Hostname: "inside", Env: []string{"PATH=/bin"},
		Namespaces: unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWCGROUP,
		Limits:     nsexec.Limits{Caps: nsexec.AllCaps(), Seccomp: nsexec.SeccompFilter()},
		Mounts:     []nsexec.Mount{{Type: "proc", Target: "proc", Flags: common}}}
	k := started(t, ctx, in, tree)
	if err := k.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := backed(t, image); n != 1 {
		t.Errorf("%d devices show the file", n)
	}
	const script = `echo kept >/data/file && cat /run/deep/er/hello >/data/hello && [ -e /run/deep/file ] && [ $(stat -c %u /run/deep) = 0 ] && exit 3`
	if err := k.Go(ctx, "/bin/sh", []string{"sh", "-c", script}); err != nil {
		t.Fatal(err)
	}
	status, err := k.ExitStatus(ctx)
	if err != nil || status.ExitStatus() != 3 {
		t.Errorf("status %v, %v", status, err)
	}
	if err := k.Kill(); err != nil {
		t.Error(err)
	}
	for end := time.Now().Add(10 * time.Second); backed(t, image) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the device is left")
		}
	}
	if _, err := os.Lstat(filepath.Join(root, "run/deep")); err == nil {
		t.Error("a mount point was made below what hides it")
	}
	out, err := exec.Command("/sbin/debugfs", "-R", "cat /file", image).Output()
	if err != nil || string(out) != "kept\n" {
		t.Errorf("in the file: %q, %v", out, err)
	}
}

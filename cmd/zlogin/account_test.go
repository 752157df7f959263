// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What a zone has in the place of a file of accounts holds nobody up, and is
// not read when it is something else.
func TestRead(t *testing.T) {
	root, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plain"), []byte("root:x:0"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	huge, err := os.Create(filepath.Join(dir, "huge"))
	if err != nil {
		t.Fatal(err)
	}
	if err := huge.Truncate(1 << 40); err != nil {
		t.Fatal(err)
	}
	huge.Close()
	for name, to := range map[string]string{"log": "/proc/kmsg", "version": "/proc/version", "sys": "/sys/kernel/notes", "dir": "/", "null": "/dev/zero"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r := &zoneRoot{fd: int(root.Fd())}
	for _, name := range []string{"fifo", "huge", "log", "version", "sys", "dir", "null", "none"} {
		if text, err := r.read(strings.TrimPrefix(filepath.Join(dir, name), "/")); err == nil {
			t.Errorf("%s was read: %q", name, text)
		}
	}
	text, err := r.read(strings.TrimPrefix(filepath.Join(dir, "plain"), "/"))
	if text != "root:x:0" || err != nil {
		t.Errorf("read %q, %v", text, err)
	}
}

// SPDX-License-Identifier: Apache-2.0

package zfs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"zones/internal/mount"
)

func TestAnswering(t *testing.T) {
	dir := t.TempDir()
	for pool, state := range map[string]string{"well": "ONLINE\n", "ill": "SUSPENDED\n"} {
		if err := os.Mkdir(filepath.Join(dir, pool), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, pool, "state"), []byte(state), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"", "..", "well", "well/a", "none", "illness", "x/ill"} {
		if err := answering(dir, []string{name}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"ill", "ill/a/b", "ill@x", "ill/a@x"} {
		var suspended *SuspendedError
		err := answering(dir, []string{"well", name})
		if !errors.As(err, &suspended) || suspended.Pool != "ill" || !errors.Is(err, ErrSuspended) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestDatasetAt(t *testing.T) {
	table := []mount.Mounted{{Path: "/", Kind: "ext4", Source: "/dev/sda"}, {Path: "/tank", Kind: "zfs", Source: "tank"},
		{Path: "/tank/a", Kind: "zfs", Source: "tank/old"}, {Path: "/tank/a", Kind: "zfs", Source: "tank/a"},
		{Path: "/tank/a/tmp", Kind: "tmpfs", Source: "tmpfs"}}
	for path, want := range map[string]string{"/": "", "/etc": "", "/tank": "tank", "/tank/": "tank", "/tankard": "",
		"/tank/a/root": "tank/a", "/tank/a/tmp/x": "", "/tank/b/../a": "tank/a"} {
		if got := datasetAt(table, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// A call that does not end is not waited for after its context has.
func TestAwait(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := await(ctx, make(chan error), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	done := make(chan error, 1)
	done <- os.ErrExist
	if err := await(context.Background(), done, nil); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v", err)
	}
}

func TestOperands(t *testing.T) {
	got := operands([]string{"create", "-o", "mountpoint=/x", "-r", "type,zoned", "tank/a"})
	if len(got) != 1 || got[0] != "tank/a" {
		t.Errorf("got %v", got)
	}
}

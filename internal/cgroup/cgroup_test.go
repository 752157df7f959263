// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSettings(t *testing.T) {
	swap := uint64(0)
	got := Limits{CPUQuota: 150000, CPUWeight: 200, Memory: 1 << 30, Swap: &swap, PIDs: 500, IOWeight: 50}.Settings()
	want := []Setting{{"cpu", "cpu.max", "150000 100000"}, {"cpu", "cpu.weight", "200"},
		{"memory", "memory.max", "1073741824"}, {"memory", "memory.swap.max", "0"}, {"pids", "pids.max", "500"}, {"io", "io.weight", "50"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	if s := (Limits{}).Settings(); s != nil {
		t.Errorf("no limits set %v", s)
	}
}

func group(t *testing.T) string {
	t.Helper()
	top, err := Mount()
	if err != nil || os.Getuid() != 0 {
		t.Skip("requires root")
	}
	path := filepath.Join(top, "zones-test-cgroup", "one")
	t.Cleanup(func() { Remove(filepath.Dir(path)) })
	if err := Create(path, Limits{}); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLife(t *testing.T) {
	path := group(t)
	if err := Delegate(path, 12345); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(path, "cgroup.procs"), &st); err != nil || st.Uid != 12345 {
		t.Errorf("owner %d, %v", st.Uid, err)
	}
	if err := Tag(path, "test", "value"); err != nil {
		t.Error(err)
	}
	if value, other := TagOf(path, "test"), TagOf(path, "other"); value != "value" || other != "" {
		t.Errorf("tags %q and %q", value, other)
	}
	leaf, err := Leaf(path, "deep", 12345)
	if err != nil {
		t.Fatal(err)
	}
	defer leaf.Close()
	if err := os.Mkdir(filepath.Join(path, "deep/er"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(filepath.Join(path, "deep/er"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dir.Close()
	if err := Remove(path); !errors.Is(err, ErrBusy) {
		t.Errorf("removed a group in use: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := Kill(ctx, path); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the process was not killed")
	}
	if err := Remove(path); err != nil {
		t.Error(err)
	}
	if err := errors.Join(Remove(path), Kill(ctx, path), AwaitEmpty(ctx, path)); err != nil {
		t.Errorf("what is gone: %v", err)
	}
}

// However deep a delegate goes, what he makes can be removed.
func TestDepth(t *testing.T) {
	path := group(t)
	dir := path
	for range 200 {
		dir = filepath.Join(dir, "x")
		if os.Mkdir(dir, 0o755) != nil {
			break
		}
	}
	if err := Remove(path); err != nil {
		// By hand, as Remove does not.
		for ; len(dir) > len(path); dir = filepath.Dir(dir) {
			os.Remove(dir)
		}
		t.Error(err)
	}
}

func TestMissingController(t *testing.T) {
	path := group(t)
	have, _ := words(filepath.Join(path, "cgroup.controllers"))
	if slices.Contains(have, "pids") {
		if err := Create(path, Limits{PIDs: 10}); err != nil {
			t.Error(err)
		}
		return
	}
	var missing *ControllerError
	if err := Create(path, Limits{PIDs: 10}); !errors.As(err, &missing) || missing.Controller != "pids" {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the group that could not be limited stays")
	}
}

func TestDevices(t *testing.T) {
	path := group(t)
	if minors, err := Allowed(path); err != nil || minors != nil {
		t.Errorf("allowed at first: %v, %v", minors, err)
	}
	if err := Forbid(path, 16); err != nil {
		t.Error(err)
	}
	for _, minor := range []uint32{32, 16, 48, 16} {
		if err := Allow(path, 230, minor); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(Forbid(path, 16), Forbid(path, 64)); err != nil {
		t.Error(err)
	}
	if minors, err := Allowed(path); err != nil || !slices.Equal(minors, []uint32{32, 48}) {
		t.Errorf("allowed: %v, %v", minors, err)
	}
}

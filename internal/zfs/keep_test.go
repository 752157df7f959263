// SPDX-License-Identifier: Apache-2.0

package zfs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A lock lasts as long as a call that changes something, whatever becomes of
// who made it; a call that only reads is not waited for.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	goOn, begun, tool := filepath.Join(dir, "go-on"), filepath.Join(dir, "begun"), filepath.Join(dir, "zfs")
	script := "#!/bin/sh\n: >" + begun + "\nwhile [ ! -e " + goOn + " ]; do sleep 0.01; done\n"
	if err := os.WriteFile(tool, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	defer func(before []string) { places = before }(places)
	places = []string{tool}
	take := func() (*os.File, error) {
		f, err := os.Create(filepath.Join(dir, "lock"))
		if err != nil {
			t.Fatal(err)
		}
		return f, unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	for verb, waits := range map[string]bool{"create": true, "receive": true, "list": false} {
		os.Remove(goOn)
		os.Remove(begun)
		lock, err := take()
		if err != nil {
			t.Fatal(err)
		}
		release := Keep(lock)
		cmd, err := command(context.Background(), verb, "tank/x")
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			if _, err := os.Stat(begun); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		release()
		lock.Close()
		lock, err = take()
		if waits != errors.Is(err, unix.EWOULDBLOCK) {
			t.Errorf("while %s goes on: %v", verb, err)
		}
		lock.Close()
		if err := os.WriteFile(goOn, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		if lock, err = take(); err != nil {
			t.Errorf("when %s has ended: %v", verb, err)
		}
		lock.Close()
	}
}

// SPDX-License-Identifier: Apache-2.0

package zfs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"zones/internal/mount"
)

// A SuspendedError is a pool that does not answer because its devices do not.
// Whoever uses it then waits, unkillable, until it answers again.
type SuspendedError struct{ Pool string }

func (e *SuspendedError) Error() string {
	return fmt.Sprintf("pool '%s' is suspended, see zpool status: its I/O goes on after zpool clear", e.Pool)
}

func (e *SuspendedError) Unwrap() error { return ErrSuspended }

// poolStates is where the module tells of each pool, without waiting for any.
const poolStates = "/proc/spl/kstat/zfs"

// Answering fails with a *SuspendedError when the pool of one of these
// datasets or snapshots is suspended. It asks the kernel alone, never waits,
// and knows nothing of pools that are not imported.
func Answering(names ...string) error { return answering(poolStates, names) }

func answering(dir string, names []string) error {
	for _, name := range names {
		pool := name
		if i := strings.IndexAny(name, "/@#"); i >= 0 {
			pool = name[:i]
		}
		if pool == "" || pool == "." || pool == ".." {
			continue
		}
		state, err := os.ReadFile(filepath.Join(dir, pool, "state"))
		if err == nil && strings.TrimSpace(string(state)) == "SUSPENDED" {
			return &SuspendedError{pool}
		}
	}
	return nil
}

// AnsweringAt is Answering for what is mounted at the absolute paths, or above
// them. Links in them are not followed: to look at one may be to wait.
func AnsweringAt(paths ...string) error {
	table, err := mount.Table("self")
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := Answering(datasetAt(table, path)); err != nil {
			return err
		}
	}
	return nil
}

// datasetAt is the dataset that a path is on by the mount table; empty when
// that is no ZFS.
func datasetAt(table []mount.Mounted, path string) string {
	path = filepath.Clean(path)
	at, dataset := "", ""
	for _, m := range table {
		below := m.Path == "/" || path == m.Path || strings.HasPrefix(path, m.Path+"/")
		if !below || len(m.Path) < len(at) {
			continue
		}
		at, dataset = m.Path, ""
		if m.Kind == "zfs" {
			dataset = m.Source
		}
	}
	return dataset
}

// How long a call of zfs is waited for whose pool is suspended, and one that
// was killed.
const (
	suspendedLimit = 15 * time.Second
	killedLimit    = time.Second
)

// await waits for a call of zfs(8) to end, on the datasets among these words.
// When it cannot end, because its pool is suspended or, after ctx has ended,
// for whatever reason, it is left to itself.
func await(ctx context.Context, done <-chan error, words []string) error {
	tick := time.NewTicker(suspendedLimit / 5)
	defer tick.Stop()
	var since time.Time
	for {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			select {
			case <-done:
			case <-time.After(killedLimit):
			}
			return ctx.Err()
		case now := <-tick.C:
			err := Answering(words...)
			switch {
			case err == nil:
				since = time.Time{}
			case since.IsZero():
				since = now
			case now.Sub(since) >= suspendedLimit:
				return err
			}
		}
	}
}

// operands are the words of a call that may name datasets.
func operands(args []string) []string {
	return slices.DeleteFunc(slices.Clone(args[1:]), func(word string) bool {
		return strings.HasPrefix(word, "-") || strings.HasPrefix(word, "/") || strings.ContainsAny(word, "=,")
	})
}

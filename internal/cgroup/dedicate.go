// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Processors is how many processors a group is to have for itself: at least Low,
// and up to High when there are as many.
type Processors struct{ Low, High int }

// A ScarceError is that fewer processors are free than a group wants.
type ScarceError struct{ Wanted, Free int }

func (e *ScarceError) Error() string {
	return fmt.Sprintf("processors wanted: %d, free of other zones: %d", e.Wanted, e.Free)
}

// The files of the cpuset controller: what a group asks for, what it has, what
// it and those above it keep from others, and whether that is done.
const (
	cpusFile      = "cpuset.cpus"
	effectiveFile = "cpuset.cpus.effective"
	exclusiveFile = "cpuset.cpus.exclusive"
	partitionFile = "cpuset.cpus.partition"
)

// Dedicate gives the group at path processors that no group beside it asks for,
// the last ones, as the host's own work tends to the first. It returns them as
// a list, and whether the kernel keeps everything else off them: that takes
// cpuset's remote partitions, of Linux 6.7, and one processor for the others.
// The group loses them with its end.
func Dedicate(path string, want Processors) (list string, alone bool, err error) {
	top, err := Mount()
	if err != nil {
		return "", false, err
	}
	parent := filepath.Dir(path)
	lock, err := os.Open(parent)
	if err != nil {
		return "", false, fmt.Errorf("dedicate processors: %w", err)
	}
	defer lock.Close()
	// Or two groups that are made at the same time choose the same ones.
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", false, fmt.Errorf("dedicate processors: lock %s: %w", parent, err)
	}
	all, err := readCPUs(filepath.Join(top, effectiveFile))
	if errors.Is(err, os.ErrNotExist) {
		return "", false, &ControllerError{"cpuset", cpusFile}
	}
	if err != nil {
		return "", false, fmt.Errorf("dedicate processors: %w", err)
	}
	taken, kept := besides(path)
	chosen, err := choose(all, taken, want)
	if err != nil {
		return "", false, err
	}
	list = formatCPUs(chosen)
	if err := write(path, cpusFile, list); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = &ControllerError{"cpuset", cpusFile}
		}
		return "", false, fmt.Errorf("dedicate processors: %w", err)
	}
	return list, isolate(path, list, formatCPUs(append(kept, chosen...))), nil
}

// Isolates reports whether the kernel is one that can keep others off a group's
// processors.
func Isolates() bool {
	var u unix.Utsname
	var major, minor int
	if unix.Uname(&u) != nil {
		return false
	}
	_, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	return err == nil && (major > 6 || major == 6 && minor >= 7)
}

// Online is how many processors the machine has, whoever may use them.
func Online() int {
	if cpus, err := readCPUs("/sys/devices/system/cpu/online"); err == nil && len(cpus) > 0 {
		return len(cpus)
	}
	return runtime.NumCPU()
}

// choose picks the last free processors. Where it may, it leaves one to the
// others.
func choose(all, taken []int, want Processors) ([]int, error) {
	free := slices.DeleteFunc(slices.Clone(all), func(n int) bool { return slices.Contains(taken, n) })
	if len(free) < want.Low {
		return nil, &ScarceError{want.Low, len(free)}
	}
	n := min(want.High, len(free))
	if n == len(free) && n > want.Low {
		n--
	}
	return free[len(free)-n:], nil
}

// besides are the processors that groups beside the one at path ask for, and
// those of them that are kept from others.
func besides(path string) (taken, kept []int) {
	entries, _ := os.ReadDir(filepath.Dir(path))
	for _, e := range entries {
		if !e.IsDir() || e.Name() == filepath.Base(path) {
			continue
		}
		dir := filepath.Join(filepath.Dir(path), e.Name())
		asked, _ := readCPUs(filepath.Join(dir, cpusFile)) // it may be gone by now
		exclusive, _ := readCPUs(filepath.Join(dir, exclusiveFile))
		taken, kept = append(taken, asked...), append(kept, exclusive...)
	}
	return taken, kept
}

// isolate has the kernel keep all else off the group's processors. What those
// above it keep for it has to be there first.
func isolate(path, list, above string) bool {
	for _, s := range []struct{ dir, file, value string }{
		{filepath.Dir(path), exclusiveFile, above}, {path, exclusiveFile, list}, {path, partitionFile, "root"},
	} {
		if write(s.dir, s.file, s.value) != nil {
			return false
		}
	}
	// A partition that cannot be says so, and why, in the place of an error.
	if now, err := words(filepath.Join(path, partitionFile)); err == nil && len(now) == 1 && now[0] == "root" {
		return true
	}
	_ = write(path, partitionFile, "member")
	return false
}

func readCPUs(file string) ([]int, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parseCPUs(strings.TrimSpace(string(data)))
}

// parseCPUs reads a list of processors as the kernel writes it: "0-3,8".
func parseCPUs(list string) ([]int, error) {
	var cpus []int
	for _, part := range strings.Split(list, ",") {
		if part == "" {
			continue
		}
		from, to, ranged := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		last := first
		if err == nil && ranged {
			last, err = strconv.Atoi(to)
		}
		if err != nil {
			return nil, fmt.Errorf("%q is no list of processors", list)
		}
		for n := first; n <= last; n++ {
			cpus = append(cpus, n)
		}
	}
	return cpus, nil
}

func formatCPUs(cpus []int) string {
	sorted := slices.Compact(slices.Sorted(slices.Values(cpus)))
	var parts []string
	for i := 0; i < len(sorted); {
		last := i
		for last+1 < len(sorted) && sorted[last+1] == sorted[last]+1 {
			last++
		}
		part := strconv.Itoa(sorted[i])
		if last > i {
			part += "-" + strconv.Itoa(sorted[last])
		}
		parts = append(parts, part)
		i = last + 1
	}
	return strings.Join(parts, ",")
}

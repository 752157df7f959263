// SPDX-License-Identifier: Apache-2.0

//go:build vm

package zones

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A state is everything of a machine that a scenario could leave behind: a kind
// and a name, and what is wanted to remove it.
type state map[thing]bool

type thing struct{ kind, name string }

// suspendedPool is the pool that scenarios take the disk away from.
const suspendedPool = "other"

// takeState looks at the machine.
func takeState() (state, error) {
	s := state{}
	for kind, list := range map[string]func() ([]string, error){
		"process":              processes,
		"mount":                mounts,
		"cgroup":               cgroups,
		"link":                 func() ([]string, error) { return names("/sys/class/net") },
		"network namespace":    func() ([]string, error) { return names("/run/netns") },
		"delegation namespace": delegations,
		"pool":                 func() ([]string, error) { return lines("zpool", "list", "-H", "-o", "name") },
		"dataset":              func() ([]string, error) { return lines("zfs", "list", "-H", "-o", "name", "-t", "all") },
		"zone":                 func() ([]string, error) { return lines("zoneadm", "list", "-cn") },
		"state file":           func() ([]string, error) { return names("/run/zones") },
		"configuration":        func() ([]string, error) { return names("/etc/zones") },
	} {
		found, err := list()
		if err != nil {
			return nil, fmt.Errorf("look for what is left: %s: %w", kind, err)
		}
		for _, name := range found {
			if !stays(kind, name) {
				s[thing{kind, name}] = true
			}
		}
	}
	return s, nil
}

// stays reports whether a thing that the first use of a zone makes is for the
// machine to keep: locks, which are never removed while it runs, the index, and
// the places that hold those of zones.
func stays(kind, name string) bool {
	switch kind {
	case "state file":
		return strings.HasSuffix(name, ".lock") || name == ".stage"
	case "configuration":
		return name == "index"
	case "cgroup":
		return name == "/sys/fs/cgroup/zones.slice" || name == "/sys/fs/cgroup/zones.slice/.zoneadmd"
	}
	return false
}

// without lists what is in s and not in clean.
func (s state) without(clean state) []string {
	var left []string
	for t := range s {
		if !clean[t] {
			left = append(left, "  "+t.kind+" "+t.name)
		}
	}
	sort.Strings(left)
	return left
}

func (s state) of(kind string, clean state) []string {
	var found []string
	for t := range s {
		if t.kind == kind && !clean[t] {
			found = append(found, t.name)
		}
	}
	// Children before parents, snapshots before file systems.
	sort.Sort(sort.Reverse(sort.StringSlice(found)))
	return found
}

// restore brings the machine back to clean, by force.
func restore(clean state) error {
	var failed error
	for attempt := 0; attempt < 5; attempt++ {
		now, err := takeState()
		if err != nil {
			return err
		}
		if len(now.without(clean)) == 0 {
			return nil
		}
		failed = errors.Join(forceOut(now, clean)...)
		time.Sleep(500 * time.Millisecond)
	}
	now, err := takeState()
	if err == nil && len(now.without(clean)) != 0 {
		err = fmt.Errorf("still there:\n%s", strings.Join(now.without(clean), "\n"))
	}
	if err != nil {
		return errors.Join(err, failed)
	}
	return nil
}

func forceOut(now, clean state) (errs []error) {
	try := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	for _, name := range now.of("process", clean) {
		pid, _, _ := strings.Cut(name, " ")
		if n, err := strconv.Atoi(pid); err == nil {
			_ = syscall.Kill(n, syscall.SIGKILL)
		}
	}
	time.Sleep(time.Second)
	for _, name := range now.of("mount", clean) {
		_ = syscall.Unmount(name, syscall.MNT_DETACH)
	}
	for _, name := range now.of("network namespace", clean) {
		_, err := lines("ip", "netns", "delete", name)
		try(err)
	}
	for _, name := range now.of("link", clean) {
		_, err := lines("ip", "link", "delete", name)
		try(err)
	}
	for _, name := range now.of("cgroup", clean) {
		try(os.Remove(name))
	}
	pools := now.of("pool", clean)
	for _, name := range pools {
		_, err := lines("zpool", "destroy", "-f", name)
		try(err)
	}
	for _, name := range now.of("dataset", clean) {
		if pool, _, _ := strings.Cut(name, "/"); slices.Contains(pools, pool) {
			continue
		}
		_, err := lines("zfs", "destroy", "-R", name)
		try(err)
	}
	for _, name := range now.of("state file", clean) {
		try(os.RemoveAll("/run/zones/" + name))
	}
	for _, name := range now.of("configuration", clean) {
		try(os.RemoveAll("/etc/zones/" + name))
	}
	if len(now.of("zone", clean)) > 0 {
		try(os.Remove("/etc/zones/index"))
	}
	return errs
}

// processes lists what runs besides us, the kernel's own threads and udev's.
func processes() ([]string, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		open, shut := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
		pid, comm := strings.TrimSpace(string(b[:open])), string(b[open+1:shut])
		fields := strings.Fields(string(b[shut+1:]))
		state, parent := fields[0], fields[1]
		switch {
		case parent == "2" || pid == "2" || pid == strconv.Itoa(os.Getpid()):
		case comm == "(udev-worker)" || comm == "systemd-udevd":
		default:
			found = append(found, pid+" ("+comm+") state "+state)
		}
	}
	return found, nil
}

func mounts() ([]string, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		if f := strings.Fields(line); len(f) > 4 {
			found = append(found, f[4])
		}
	}
	return found, nil
}

func cgroups() ([]string, error) {
	var found []string
	err := filepath.WalkDir("/sys/fs/cgroup", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed as we looked
		}
		if err == nil && d.IsDir() && name != "/sys/fs/cgroup" {
			found = append(found, name)
		}
		return err
	})
	return found, err
}

// delegations lists the delegation namespaces but the global one.
func delegations() ([]string, error) {
	b, err := os.ReadFile("/proc/delegns")
	if err != nil {
		return nil, err
	}
	var found []string
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		f := strings.Fields(line)
		if i == 0 || len(f) == 0 || f[0] == "0" {
			continue
		}
		found = append(found, line)
	}
	return found, nil
}

// revive switches disks on that a scenario switched off: whoever looks at a pool
// without its disks may wait for ever, and cannot be killed.
func revive() {
	disks, _ := filepath.Glob("/sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/state")
	for _, name := range disks {
		if b, err := os.ReadFile(name); err != nil || strings.TrimSpace(string(b)) != "offline" {
			continue
		}
		if os.WriteFile(name, []byte("running"), 0) == nil {
			_, _ = lines("zpool", "clear", suspendedPool)
		}
	}
}

// names lists a directory that need not be there.
func names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		found = append(found, e.Name())
	}
	return found, nil
}

// lines runs a command, for a minute at most, and returns the words it prints.
func lines(name string, arg ...string) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, arg...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(arg, " "), err, bytes.TrimSpace(out))
	}
	return strings.Fields(string(out)), nil
}

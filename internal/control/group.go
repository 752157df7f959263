// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"zones/internal/cgroup"
)

// InGroup has a process started in a cgroup of the zone's. The zone may have
// spoilt the usual one, or forbidden others: then beside the zone's first
// process. Start is given nil when the zone has no cgroup.
func (r *Record) InGroup(start func(group *os.File) error) error {
	if r.Cgroup == "" {
		return start(nil)
	}
	leaf := func(name string) (*os.File, error) { return cgroup.Leaf(r.Cgroup, name, int(r.UIDBase)) }
	var err error
	for _, open := range []func() (*os.File, error){
		func() (*os.File, error) { return leaf("zlogin") },
		func() (*os.File, error) { return leaf(fmt.Sprintf("zlogin-%d", os.Getpid())) },
		r.firstGroup,
	} {
		var group *os.File
		if group, err = open(); err != nil {
			continue
		}
		err = start(group)
		group.Close()
		if err == nil || !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EOPNOTSUPP) {
			break
		}
	}
	return err
}

// firstGroup is the cgroup of the zone's first process, which must be within
// that of the zone.
func (r *Record) firstGroup() (*os.File, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(r.PID), "cgroup"))
	if err != nil {
		return nil, err
	}
	top, err := cgroup.Mount()
	if err != nil {
		return nil, err
	}
	_, dir, _ := strings.Cut(string(raw), "0::")
	dir = filepath.Join(top, strings.TrimSuffix(dir, "\n"))
	if dir != r.Cgroup && !strings.HasPrefix(dir, r.Cgroup+"/") {
		return nil, ErrNotActive
	}
	return cgroup.Open(dir)
}

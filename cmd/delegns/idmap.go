// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

const (
	// idCount is how many ids a new user namespace has.
	idCount = 65536
	// idBase is where they begin when no file says so.
	idBase = 1879048192
	// allIDs is the size of the initial user namespace's map.
	allIDs = 4294967295
)

// idMaps are the maps of a new user namespace: for the host's root a range of
// 65,536 ids of /etc/subuid and /etc/subgid, or a built-in one; for a zone's
// root the zone's own ids; for everybody else himself alone.
func idMaps(onHost bool) (uids, gids []syscall.SysProcIDMap, err error) {
	if os.Geteuid() != 0 {
		return one(os.Geteuid()), one(os.Getegid()), nil
	}
	if !onHost {
		return []syscall.SysProcIDMap{{Size: ownIDs("uid_map")}}, []syscall.SysProcIDMap{{Size: ownIDs("gid_map")}}, nil
	}
	u, err := subID("/etc/subuid")
	if err != nil {
		return nil, nil, err
	}
	g, err := subID("/etc/subgid")
	if err != nil {
		return nil, nil, err
	}
	return []syscall.SysProcIDMap{{HostID: u, Size: idCount}}, []syscall.SysProcIDMap{{HostID: g, Size: idCount}}, nil
}

func one(id int) []syscall.SysProcIDMap { return []syscall.SysProcIDMap{{HostID: id, Size: 1}} }

// ownIDs is how many ids from 0 on this process's user namespace has by its
// uid_map or gid_map.
func ownIDs(file string) int {
	data, err := os.ReadFile("/proc/self/" + file)
	if err != nil {
		return allIDs
	}
	f := strings.Fields(string(data))
	if len(f) < 3 || f[0] != "0" {
		return 1
	}
	n, err := strconv.Atoi(f[2])
	if err != nil {
		return 1
	}
	return n
}

// subID finds root's range in /etc/subuid or /etc/subgid.
func subID(path string) (int, error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return idBase, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		w := strings.Split(strings.TrimSpace(s.Text()), ":")
		if len(w) != 3 || (w[0] != "root" && w[0] != "0") {
			continue
		}
		base, err := strconv.ParseUint(w[1], 10, 31)
		count, err2 := strconv.ParseUint(w[2], 10, 32)
		if err == nil && err2 == nil && count >= idCount && base > 0 {
			return int(base), nil
		}
	}
	if err := s.Err(); err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	return idBase, nil
}

// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// OpenAs opens a file for reading with the rights of a user and its groups,
// where this process has root's.
func OpenAs(uid int, path string) (*os.File, error) {
	u, err := AccountOf(uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, err
	}
	groups := []int{gid}
	for _, id := range ids {
		if n, err := strconv.Atoi(id); err == nil {
			groups = append(groups, n)
		}
	}
	type opened struct {
		file *os.File
		err  error
	}
	result := make(chan opened)
	// Rights belong to a thread for the kernel. This one ends with them: a
	// goroutine that returns while it has its thread locked takes it along.
	go func() {
		runtime.LockOSThread()
		f, err := openLowered(uid, gid, groups, path)
		result <- opened{f, err}
	}()
	r := <-result
	return r.file, r.err
}

func openLowered(uid, gid int, groups []int, path string) (*os.File, error) {
	if err := setGroups(groups); err != nil {
		return nil, err
	}
	if err := unix.Setfsgid(gid); err != nil {
		return nil, err
	}
	// This drops the capabilities over files as well.
	if err := unix.Setfsuid(uid); err != nil {
		return nil, err
	}
	if now, err := unix.SetfsuidRetUid(-1); err != nil || now != uid {
		return nil, unix.EPERM
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// setGroups sets the groups of this thread alone; the library's function sets
// those of all.
func setGroups(groups []int) error {
	list := make([]uint32, len(groups))
	for i, g := range groups {
		list[i] = uint32(g)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(list)), uintptr(unsafe.Pointer(&list[0])), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

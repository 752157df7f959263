// SPDX-License-Identifier: Apache-2.0

package zfs

import (
	"encoding/binary"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Some questions are put to the module itself, because zfs(8) takes longer to
// start than a zone has to boot. The call and the place of its first members
// are the same in all releases that have a module for Linux; what is not
// understood, and every failure, is left to zfs(8).
const (
	iocObjsetStats = 'Z'<<8 | 0x12
	commandSize    = 32 << 10  // no release's zfs_cmd_t is larger
	offNvlistDst   = 4096 + 16 // of zc_nvlist_dst; its size follows
	answerSize     = 256 << 10

	iocUserspaceOne = 'Z'<<8 | 0x2d
	offGUID         = 4096 + 48 + 8192 + 256 // of zc_guid, here the user
	offCookie       = offGUID + 24           // of zc_cookie, the answer
	offType         = offCookie + 8          // of zc_objset_type, what is asked for
	userObjUsed     = 4
)

// Kinds of object sets, as the module numbers them.
const (
	osetFilesystem = 2
	osetVolume     = 3
)

// The properties that are understood without zfs(8).
const (
	propZoned      = "zoned"
	propMountpoint = "mountpoint"
	propMounted    = "mounted"
)

// quick answers for a file system or volume, or reports that it cannot.
func quick(name string, props []string) (map[string]Property, bool) {
	if strings.ContainsAny(name, "@#%") || len(name) > 255 {
		return nil, false
	}
	for _, p := range props {
		switch p {
		case PropType, propZoned, propMountpoint, propMounted:
		default:
			return nil, false
		}
	}
	dev, err := os.OpenFile("/dev/zfs", os.O_RDWR, 0)
	if err != nil {
		return nil, false
	}
	defer dev.Close()
	list, ok := stats(dev, name)
	if !ok {
		return nil, false
	}
	return properties(name, list, props)
}

// stats asks the module for all it knows of a dataset.
func stats(dev *os.File, name string) (nvlist, bool) {
	command := make([]byte, commandSize)
	answer := make([]byte, answerSize)
	copy(command, name)
	binary.NativeEndian.PutUint64(command[offNvlistDst:], uint64(uintptr(unsafe.Pointer(&answer[0]))))
	binary.NativeEndian.PutUint64(command[offNvlistDst+8:], answerSize)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, dev.Fd(), iocObjsetStats, uintptr(unsafe.Pointer(&command[0])))
	runtime.KeepAlive(answer)
	if errno != 0 {
		return nil, false
	}
	size := binary.NativeEndian.Uint64(command[offNvlistDst+8:])
	if size > answerSize {
		return nil, false
	}
	return decode(answer[:size])
}

// Objects counts what a user owns in a file system: files, folders and the root
// folder. The number is of what is on disk, and so is that of now for a file
// system that is not mounted. It cannot always be had: old file systems do not
// count, and encrypted ones need their key.
func Objects(name string, uid uint32) (n uint64, ok bool) {
	if len(name) > 255 {
		return 0, false
	}
	dev, err := os.OpenFile("/dev/zfs", os.O_RDWR, 0)
	if err != nil {
		return 0, false
	}
	defer dev.Close()
	const unanswered = ^uint64(0)
	command := make([]byte, commandSize)
	copy(command, name)
	binary.NativeEndian.PutUint64(command[offGUID:], uint64(uid))
	binary.NativeEndian.PutUint64(command[offCookie:], unanswered)
	binary.NativeEndian.PutUint64(command[offType:], userObjUsed)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, dev.Fd(), iocUserspaceOne, uintptr(unsafe.Pointer(&command[0])))
	n = binary.NativeEndian.Uint64(command[offCookie:])
	return n, errno == 0 && n != unanswered
}

// properties words what the module said as zfs get -p does.
func properties(name string, list nvlist, props []string) (map[string]Property, bool) {
	kind, ok := list.number(PropType)
	if !ok || kind != osetFilesystem && kind != osetVolume {
		return nil, false
	}
	got := map[string]Property{}
	for _, p := range props {
		set, known := list[p].(nvlist)
		switch {
		case p == PropType && kind == osetVolume:
			got[p] = Property{string(Volume), "-"}
		case p == PropType:
			got[p] = Property{string(Filesystem), "-"}
		case kind == osetVolume:
			got[p] = Property{"-", "-"} // it has no place
		case p == propMounted:
			at, err := mounted(name)
			if err != nil {
				return nil, false
			}
			got[p] = Property{at, "-"}
		case p == propZoned && !known:
			got[p] = Property{"off", "default"}
		case p == propZoned:
			got[p] = Property{map[bool]string{true: "on", false: "off"}[set["value"] == uint64(1)], source(name, set)}
		case !known:
			got[p] = Property{"/" + name, "default"}
		default:
			value, ok := place(name, set)
			if !ok {
				return nil, false
			}
			got[p] = Property{value, source(name, set)}
		}
	}
	return got, true
}

// source is where a value comes from, in the words of zfs get.
func source(name string, set nvlist) string {
	switch from, _ := set["source"].(string); from {
	case name:
		return "local"
	case "$recvd":
		return "received"
	default:
		return "inherited from " + from
	}
}

// place is the mount point of a dataset for which the property is set, perhaps
// above it: then it is as far below as the dataset is.
func place(name string, set nvlist) (string, bool) {
	value, ok := set["value"].(string)
	from, _ := set["source"].(string)
	if !ok || from == "" {
		return "", false
	}
	if rest, below := strings.CutPrefix(name, from+"/"); below && strings.HasPrefix(value, "/") {
		value = strings.TrimSuffix(value, "/") + "/" + rest
	}
	return value, true
}

func mounted(name string) (string, error) {
	all, err := MountTable()
	if err != nil {
		return "", err
	}
	for _, m := range all {
		if m.Dataset == name {
			return "yes", nil
		}
	}
	return "no", nil
}

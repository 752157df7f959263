// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A node is a number, and who has one may have hidden it in many places when
// the number becomes another device's. So it is by number that a group is kept
// from block devices, in the kernel: by a program with a list that we change.

// guardName tells our program from others of the group.
const guardName = "zone_devices"

// mostAllowed is how many devices a group can be allowed.
const mostAllowed = 4096

// errNoGuard says that a group is not kept from any device.
var errNoGuard = errors.New("no devices are kept from the group")

// Allow lets the processes in the group at path, and below it, open a block
// device of the kind that major stands for. From the first time on they can open
// no others of that kind.
func Allow(path string, major, minor uint32) error {
	err := withList(path, func(list int) error { return change(list, unix.BPF_MAP_UPDATE_ELEM, minor) })
	if errors.Is(err, errNoGuard) {
		err = guard(path, major, minor)
	}
	if err != nil {
		return fmt.Errorf("allow device %d:%d: %w", major, minor, err)
	}
	return nil
}

// Forbid takes back what Allow has allowed. That it has not is no error.
func Forbid(path string, minor uint32) error {
	err := withList(path, func(list int) error { return change(list, unix.BPF_MAP_DELETE_ELEM, minor) })
	if err != nil && !errors.Is(err, errNoGuard) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("forbid device: %w", err)
	}
	return nil
}

// Allowed are the minor numbers that Allow has allowed.
func Allowed(path string) ([]uint32, error) {
	var minors []uint32
	err := withList(path, func(list int) error {
		a := &element{file: uint32(list)}
		for next := new(uint32); len(minors) < mostAllowed; {
			a.value = unsafe.Pointer(next)
			if _, err := bpf(unix.BPF_MAP_GET_NEXT_KEY, unsafe.Pointer(a), unsafe.Sizeof(*a)); err != nil {
				if errors.Is(err, unix.ENOENT) {
					return nil
				}
				return err
			}
			minors = append(minors, *next)
			last := *next
			a.key = unsafe.Pointer(&last)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errNoGuard) {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	slices.Sort(minors)
	return minors, nil
}

// What bpf(2) is given, by command.
type (
	newList struct{ kind, key, value, entries, flags uint32 }
	element struct {
		file, _    uint32
		key, value unsafe.Pointer // the value is the next key when that is asked for
		flags      uint64
	}
	newProgram struct {
		kind, count       uint32
		code, license     unsafe.Pointer
		logLevel, logSize uint32
		log               unsafe.Pointer
		kernel, flags     uint32
		name              [16]byte
	}
	attachment struct{ group, program, kind, flags uint32 }
	question   struct {
		group, kind, flags, attached uint32
		programs                     unsafe.Pointer
		count, _                     uint32
		_                            [4]uint64 // of later kernels
	}
	byID  struct{ id, next, flags uint32 }
	about struct {
		file, size uint32
		info       unsafe.Pointer
	}
	// information is the beginning of what the kernel tells of a program.
	information struct {
		_     [52]byte
		lists uint32
		list  unsafe.Pointer
		name  [16]byte
	}
)

func bpf(command uintptr, attr unsafe.Pointer, size uintptr) (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_BPF, command, uintptr(attr), size)
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

func change(list int, command uintptr, minor uint32) error {
	a := &element{file: uint32(list), key: unsafe.Pointer(&minor)}
	if command == unix.BPF_MAP_UPDATE_ELEM {
		a.value = unsafe.Pointer(new(byte))
	}
	_, err := bpf(command, unsafe.Pointer(a), unsafe.Sizeof(*a))
	return err
}

// withList finds the list of a group's program: the kernel keeps both as long
// as there is the group.
func withList(path string, do func(list int) error) error {
	group, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return errNoGuard
	}
	if err != nil {
		return err
	}
	defer group.Close()
	ids := make([]uint32, 64)
	q := &question{group: uint32(group.Fd()), kind: unix.BPF_CGROUP_DEVICE, programs: unsafe.Pointer(&ids[0]), count: uint32(len(ids))}
	if _, err := bpf(unix.BPF_PROG_QUERY, unsafe.Pointer(q), unsafe.Sizeof(*q)); err != nil {
		return err
	}
	for _, id := range ids[:min(int(q.count), len(ids))] {
		list, err := listOf(id)
		if err != nil {
			continue // it has gone, or is somebody else's
		}
		defer unix.Close(list)
		return do(list)
	}
	return errNoGuard
}

// listOf opens the list of a program, if that is ours.
func listOf(id uint32) (int, error) {
	program, err := opened(unix.BPF_PROG_GET_FD_BY_ID, id)
	if err != nil {
		return -1, err
	}
	defer unix.Close(program)
	var list uint32
	info := &information{lists: 1, list: unsafe.Pointer(&list)}
	a := &about{file: uint32(program), size: uint32(unsafe.Sizeof(*info)), info: unsafe.Pointer(info)}
	if _, err := bpf(unix.BPF_OBJ_GET_INFO_BY_FD, unsafe.Pointer(a), unsafe.Sizeof(*a)); err != nil {
		return -1, err
	}
	if unix.ByteSliceToString(info.name[:]) != guardName || info.lists != 1 {
		return -1, errNoGuard
	}
	return opened(unix.BPF_MAP_GET_FD_BY_ID, list)
}

func opened(command uintptr, id uint32) (int, error) {
	a := &byID{id: id}
	return bpf(command, unsafe.Pointer(a), unsafe.Sizeof(*a))
}

// guard makes the program and its list, of one device.
func guard(path string, major, minor uint32) error {
	group, err := os.Open(path)
	if err != nil {
		return err
	}
	defer group.Close()
	l := &newList{kind: unix.BPF_MAP_TYPE_HASH, key: 4, value: 1, entries: mostAllowed, flags: unix.BPF_F_NO_PREALLOC}
	list, err := bpf(unix.BPF_MAP_CREATE, unsafe.Pointer(l), unsafe.Sizeof(*l))
	if err != nil {
		return err
	}
	defer unix.Close(list)
	if err := change(list, unix.BPF_MAP_UPDATE_ELEM, minor); err != nil {
		return err
	}
	code, license := guardCode(uint32(list), major), []byte("Apache-2.0\x00")
	p := &newProgram{kind: unix.BPF_PROG_TYPE_CGROUP_DEVICE, count: uint32(len(code) / 8),
		code: unsafe.Pointer(&code[0]), license: unsafe.Pointer(&license[0])}
	copy(p.name[:], guardName)
	program, err := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(p), unsafe.Sizeof(*p))
	if err != nil {
		return err
	}
	defer unix.Close(program)
	a := &attachment{uint32(group.Fd()), uint32(program), unix.BPF_CGROUP_DEVICE, unix.BPF_F_ALLOW_MULTI}
	_, err = bpf(unix.BPF_PROG_ATTACH, unsafe.Pointer(a), unsafe.Sizeof(*a))
	return err
}

// guardCode answers for each device that is to be opened: 0 when it is a block
// device of the major number and not in the list, else 1. Its context is the kind
// of access in the upper and that of the device in the lower half of a word, the
// major and the minor number.
func guardCode(list, major uint32) []byte {
	const (
		load   = unix.BPF_LDX | unix.BPF_W | unix.BPF_MEM
		store  = unix.BPF_STX | unix.BPF_W | unix.BPF_MEM
		move   = unix.BPF_ALU64 | unix.BPF_MOV
		add    = unix.BPF_ALU64 | unix.BPF_ADD
		and    = unix.BPF_ALU64 | unix.BPF_AND
		other  = unix.BPF_JMP | unix.BPF_JNE // go on elsewhere unless equal
		lookUp = 1                           // the kernel's function
	)
	var code []byte
	do := func(op, to, from uint8, offset int16, value uint32) {
		code = append(code, op, to|from<<4)
		code = binary.NativeEndian.AppendUint16(code, uint16(offset))
		code = binary.NativeEndian.AppendUint32(code, value)
	}
	do(load, 2, 1, 0, 0)
	do(and, 2, 0, 0, 0xffff)
	do(other, 2, 0, 11, unix.BPF_DEVCG_DEV_BLOCK)
	do(load, 2, 1, 4, 0)
	do(other, 2, 0, 9, major)
	do(load, 2, 1, 8, 0)
	do(store, 10, 2, -4, 0)
	do(move|unix.BPF_X, 2, 10, 0, 0)
	do(add, 2, 0, 0, 0xfffffffc)
	do(unix.BPF_LD|unix.BPF_IMM|unix.BPF_DW, 1, unix.BPF_PSEUDO_MAP_FD, 0, list)
	do(0, 0, 0, 0, 0) // the upper half of that value
	do(unix.BPF_JMP|unix.BPF_CALL, 0, 0, 0, lookUp)
	do(other, 0, 0, 1, 0)
	do(unix.BPF_JMP|unix.BPF_EXIT, 0, 0, 0, 0) // with the 0 that was not found
	do(move, 0, 0, 0, 1)
	do(unix.BPF_JMP|unix.BPF_EXIT, 0, 0, 0, 0)
	return code
}

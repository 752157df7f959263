// SPDX-License-Identifier: Apache-2.0

package delegns

import "unsafe"

// The constants and structures of kmod/include/uapi/linux/delegns.h, which is
// their manual. abi_test.go holds the two equal.
const (
	abiVersion = 1

	// NameMax is the longest name of a namespace in bytes.
	NameMax = 63
	// ConsumerMax is the longest name of a consumer in bytes.
	ConsumerMax = 15
	// ResourceMax is the longest name of a resource in bytes.
	ResourceMax = 255
	// DepthMax is the greatest depth of a namespace; the host's is 0.
	DepthMax = 32
	// PathMax is the longest path of names in bytes.
	PathMax = 2047
	// Global is the id of the host.
	Global = 0

	iocType = 0xDE
)

const (
	byID    = 1
	byName  = 2
	byPidfd = 3
	bySelf  = 4

	openWatch    = 1 << 0
	countProcs   = 1 << 0
	stateEmpty   = 1 << 0
	stateDead    = 1 << 1
	stateHolds   = 1 << 2
	grantMaximal = 1 << 0
)

type abiVersionArg struct {
	ABI             uint32
	Flags           uint32
	Features        uint64
	Self            uint64
	NamespacesMax   uint32
	GrantsMax       uint32
	NamespacesBelow uint32
	GrantsBelow     uint32
	GrantsEach      uint32
	AttachedMax     uint32
}

type abiCreate struct {
	Name    uint64
	NameLen uint32
	Flags   uint32
	ID      uint64
}

type abiOpen struct {
	By      uint32
	Flags   uint32
	ID      uint64
	Pidfd   int32
	NameLen uint32
	Name    uint64
}

type abiList struct {
	Cursor     uint64
	Buf        uint64
	Count      uint32
	RecordSize uint32
	Flags      uint32
	Reserved   uint32
}

type abiEntry struct {
	ID        uint64
	Parent    uint64
	Depth     uint32
	State     uint32
	Attached  uint32
	Grants    uint32
	Children  uint32
	Processes uint32
	Name      [NameMax + 1]byte
}

type abiResource struct {
	Consumer [ConsumerMax + 1]byte
	Name     uint64
	NameLen  uint32
	Flags    uint32
}

type abiInfo struct {
	Flags     uint32
	State     uint32
	ID        uint64
	Parent    uint64
	Owner     uint64
	Depth     uint32
	Attached  uint32
	Grants    uint32
	Children  uint32
	Processes uint32
	Holders   uint32
	Name      [NameMax + 1]byte
}

type abiUserns struct {
	Fd    int32
	Flags uint32
}

type abiGrant struct {
	Seq      uint64
	State    uint32
	NameLen  uint32
	Consumer [ConsumerMax + 1]byte
	Name     [ResourceMax + 1]byte
}

type abiAttached struct {
	Seq      uint64
	Inode    uint64
	State    uint32
	Children uint32
}

type abiDestroy struct {
	Flags uint64
}

// iowr is _IOWR(iocType, nr, size).
func iowr(nr, size uintptr) uintptr { return 3<<30 | size<<16 | iocType<<8 | nr }

var (
	cmdVersion  = iowr(0x00, unsafe.Sizeof(abiVersionArg{}))
	cmdCreate   = iowr(0x01, unsafe.Sizeof(abiCreate{}))
	cmdOpen     = iowr(0x02, unsafe.Sizeof(abiOpen{}))
	cmdList     = iowr(0x03, unsafe.Sizeof(abiList{}))
	cmdQuery    = iowr(0x04, unsafe.Sizeof(abiResource{}))
	cmdInfo     = iowr(0x10, unsafe.Sizeof(abiInfo{}))
	cmdAttach   = iowr(0x11, unsafe.Sizeof(abiUserns{}))
	cmdDetach   = iowr(0x12, unsafe.Sizeof(abiUserns{}))
	cmdGrant    = iowr(0x13, unsafe.Sizeof(abiResource{}))
	cmdRevoke   = iowr(0x14, unsafe.Sizeof(abiResource{}))
	cmdGrants   = iowr(0x15, unsafe.Sizeof(abiList{}))
	cmdAttached = iowr(0x16, unsafe.Sizeof(abiList{}))
	cmdDestroy  = iowr(0x17, unsafe.Sizeof(abiDestroy{}))
)

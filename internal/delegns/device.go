// SPDX-License-Identifier: Apache-2.0

// Package delegns is the client of the kernel module delegns: delegation
// namespaces, the user namespaces attached to them and what is granted to
// them. It knows no ZFS and no zone; kmod/include/uapi/linux/delegns.h says
// what each call does and when it fails.
package delegns

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Path is the module's device.
const Path = "/dev/delegns"

// Device is the open device. It is safe for use by several goroutines.
type Device struct{ f *os.File }

// Open opens the device and checks that the module speaks this client's
// version of the interface. Without the module the error is ErrNotLoaded.
func Open() (*Device, error) {
	f, err := os.OpenFile(Path, os.O_RDWR|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) {
		return nil, fmt.Errorf("open %s: %w", Path, ErrNotLoaded)
	}
	if err != nil {
		return nil, err
	}
	d := &Device{f}
	v, err := d.Version()
	if err == nil && v.ABI < abiVersion {
		err = fmt.Errorf("open %s: version %d of the interface: %w", Path, v.ABI, ErrABI)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return d, nil
}

// Close closes the device. Namespaces opened through it stay open.
func (d *Device) Close() error { return d.f.Close() }

// Version is what the module says of itself and its caller.
type Version struct {
	ABI      uint32 // the version of the interface
	Features uint64 // none is defined yet
	Self     uint64 // the id of the caller's own namespace; 0 is the host

	// The bounds in force: of all namespaces, of all grants, of either below
	// a namespace that is not the host, of grants and of attached user
	// namespaces in one.
	NamespacesMax, GrantsMax, NamespacesBelow, GrantsBelow, GrantsEach, AttachedMax uint32
}

// Version asks for the interface's version, the caller's namespace and the
// limits.
func (d *Device) Version() (Version, error) {
	var a abiVersionArg
	if _, err := ioctl(d.f, "version", "", cmdVersion, unsafe.Pointer(&a)); err != nil {
		return Version{}, err
	}
	return Version{a.ABI, a.Features, a.Self, a.NamespacesMax, a.GrantsMax,
		a.NamespacesBelow, a.GrantsBelow, a.GrantsEach, a.AttachedMax}, nil
}

// Create makes a namespace below the caller's own and returns it open,
// holding: it lives until it is closed, unless a user namespace is attached.
func (d *Device) Create(name string) (*NS, error) {
	var k pin
	defer k.release()
	a := abiCreate{Name: k.string(name), NameLen: uint32(len(name))}
	fd, err := ioctl(d.f, "create", name, cmdCreate, unsafe.Pointer(&a))
	if err != nil {
		return nil, err
	}
	return newNS(fd, a.ID), nil
}

// Mode says whether an opened namespace is kept alive by its descriptor.
type Mode uint32

const (
	// Hold keeps the namespace alive, when the caller may change it.
	Hold Mode = 0
	// Watch never keeps it alive.
	Watch Mode = openWatch
)

// OpenByID opens the namespace with that id; 0 is the host, which only the
// host can see.
func (d *Device) OpenByID(id uint64, m Mode) (*NS, error) {
	return d.open(abiOpen{By: byID, Flags: uint32(m), ID: id}, strconv.FormatUint(id, 10))
}

// OpenByName opens by a path of names from the caller's own namespace, such as
// "web" or "web/inner".
func (d *Device) OpenByName(path string, m Mode) (*NS, error) {
	var k pin
	defer k.release()
	return d.open(abiOpen{By: byName, Flags: uint32(m), Name: k.string(path), NameLen: uint32(len(path))}, path)
}

// Self opens the caller's own namespace, the host's when it is in none. It
// holds nothing: nobody may change his own.
func (d *Device) Self() (*NS, error) { return d.open(abiOpen{By: bySelf}, "self") }

// Lookup opens NS as people write it: an id in decimal, or a path of names.
// Digits alone are an id; "./5" is a name that is nothing but digits.
func (d *Device) Lookup(ns string, m Mode) (*NS, error) {
	if name, ok := strings.CutPrefix(ns, "./"); ok {
		return d.OpenByName(name, m)
	}
	if id, err := strconv.ParseUint(ns, 10, 64); err == nil {
		return d.OpenByID(id, m)
	}
	return d.OpenByName(ns, m)
}

func (d *Device) open(a abiOpen, what string) (*NS, error) {
	fd, err := ioctl(d.f, "open", what, cmdOpen, unsafe.Pointer(&a))
	if err != nil {
		return nil, err
	}
	return newNS(fd, a.ID), nil
}

// Entry is one namespace of a list.
type Entry struct {
	ID, Parent uint64
	Name       string
	Depth      int  // 1 is a child of the host
	Empty      bool // had an attached user namespace, and none is alive now
	Attached   int
	Grants     int
	Children   int
	Processes  int // those of this namespace itself; 0 unless asked for
}

// List lists the namespaces below the caller's own in the order of their ids.
// With processes it counts those too, which looks at every process there is.
func (d *Device) List(processes bool) ([]Entry, error) {
	var flags uint32
	if processes {
		flags = countProcs
	}
	recs, err := list[abiEntry](d.f, "list", "", cmdList, flags)
	if err != nil {
		return nil, err
	}
	es := make([]Entry, len(recs))
	for i, r := range recs {
		es[i] = Entry{r.ID, r.Parent, text(r.Name[:]), int(r.Depth), r.State&stateEmpty != 0,
			int(r.Attached), int(r.Grants), int(r.Children), int(r.Processes)}
	}
	return es, nil
}

// batch is how many records one call of a list asks for.
const batch = 128

func list[T any](f *os.File, op, object string, cmd uintptr, flags uint32) ([]T, error) {
	var all []T
	var zero T
	a := abiList{RecordSize: uint32(unsafe.Sizeof(zero)), Flags: flags}
	for {
		buf := make([]T, batch)
		var p runtime.Pinner
		p.Pin(&buf[0])
		a.Buf, a.Count = uint64(uintptr(unsafe.Pointer(&buf[0]))), batch
		_, err := ioctl(f, op, object, cmd, unsafe.Pointer(&a))
		p.Unpin()
		if err != nil {
			return nil, err
		}
		all = append(all, buf[:a.Count]...)
		if a.Count < batch {
			return all, nil
		}
	}
}

// ioctl makes one call, again when a signal interrupts it.
func ioctl(f *os.File, op, object string, cmd uintptr, arg unsafe.Pointer) (int, error) {
	sc, err := f.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("%s %s: %w", op, object, err)
	}
	var r uintptr
	var errno unix.Errno
	err = sc.Control(func(fd uintptr) {
		for {
			r, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, cmd, uintptr(arg))
			if errno != unix.EINTR {
				return
			}
		}
	})
	if err != nil {
		return -1, fmt.Errorf("%s %s: %w", op, object, err)
	}
	if errno != 0 {
		return -1, failure(op, object, errno)
	}
	return int(r), nil
}

// pin keeps the bytes of a string where they are while a structure holds
// their address as a number, which the garbage collector does not follow.
type pin struct{ p runtime.Pinner }

func (k *pin) string(s string) uint64 {
	if s == "" {
		return 0
	}
	b := []byte(s)
	k.p.Pin(&b[0])
	return uint64(uintptr(unsafe.Pointer(&b[0])))
}

func (k *pin) release() { k.p.Unpin() }

func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

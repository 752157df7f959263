// SPDX-License-Identifier: Apache-2.0

package delegns

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// NS is an open namespace.
type NS struct {
	f  *os.File
	id uint64
}

func newNS(fd int, id uint64) *NS {
	return &NS{os.NewFile(uintptr(fd), "delegns:"+strconv.FormatUint(id, 10)), id}
}

// FromFile makes an NS of a descriptor that was kept over an exec or received
// from another process. The NS owns the file from then on.
func FromFile(f *os.File) (*NS, error) {
	n := &NS{f: f}
	info, err := n.Info(false)
	if err != nil {
		return nil, err
	}
	n.id = info.ID
	return n, nil
}

// ID is the namespace's id.
func (n *NS) ID() uint64 { return n.id }

// File is the descriptor itself, to hand to a child process or to poll. It
// stays the namespace's.
func (n *NS) File() *os.File { return n.f }

// Close closes the descriptor. When it was the last one that held the
// namespace, and no attached user namespace is alive, that is its end.
func (n *NS) Close() error { return n.f.Close() }

func (n *NS) String() string { return strconv.FormatUint(n.id, 10) }

// Info is what there is to know of a namespace.
type Info struct {
	ID, Parent uint64
	Name       string
	Owner      uint64 // inode number of the owner user namespace
	Depth      int
	Empty      bool // had an attached user namespace, and none is alive now
	Dead       bool // destroyed
	Holding    bool // this descriptor keeps it alive
	Attached   int
	Grants     int
	Children   int
	Processes  int // those of this namespace itself; 0 unless asked for
	Holders    int // descriptors that keep it alive
}

// Info describes the namespace. With processes it counts those too, which
// looks at every process there is.
func (n *NS) Info(processes bool) (Info, error) {
	var a abiInfo
	if processes {
		a.Flags = countProcs
	}
	if _, err := ioctl(n.f, "info", n.String(), cmdInfo, unsafe.Pointer(&a)); err != nil {
		return Info{}, err
	}
	return Info{a.ID, a.Parent, text(a.Name[:]), a.Owner, int(a.Depth), a.State&stateEmpty != 0,
		a.State&stateDead != 0, a.State&stateHolds != 0, int(a.Attached), int(a.Grants),
		int(a.Children), int(a.Processes), int(a.Holders)}, nil
}

// Attach attaches the user namespace behind userns, a descriptor of
// /proc/PID/ns/user. What is granted is handed to it.
func (n *NS) Attach(userns *os.File) error { return n.userns("attach", cmdAttach, userns) }

// Detach takes what is granted away from the user namespace and detaches it.
func (n *NS) Detach(userns *os.File) error { return n.userns("detach", cmdDetach, userns) }

func (n *NS) userns(op string, cmd uintptr, userns *os.File) error {
	sc, err := userns.SyscallConn()
	if err != nil {
		return fmt.Errorf("%s %s: %w", op, userns.Name(), err)
	}
	cerr := sc.Control(func(fd uintptr) {
		a := abiUserns{Fd: int32(fd)}
		_, err = ioctl(n.f, op, userns.Name(), cmd, unsafe.Pointer(&a))
	})
	if cerr != nil {
		return fmt.Errorf("%s %s: %w", op, userns.Name(), cerr)
	}
	return err
}

// Grant grants a resource of a consumer ("zfs") to the namespace.
func (n *NS) Grant(consumer, resource string) error {
	return n.resource("grant", cmdGrant, consumer, resource)
}

// Revoke takes exactly this grant away, and what descendants hold only through
// it.
func (n *NS) Revoke(consumer, resource string) error {
	return n.resource("revoke", cmdRevoke, consumer, resource)
}

func (n *NS) resource(op string, cmd uintptr, consumer, resource string) error {
	object := consumer + ":" + resource
	if len(consumer) > ConsumerMax {
		return failure(op, object, unix.EINVAL)
	}
	var k pin
	defer k.release()
	a := abiResource{Name: k.string(resource), NameLen: uint32(len(resource))}
	copy(a.Consumer[:], consumer)
	_, err := ioctl(n.f, op, object, cmd, unsafe.Pointer(&a))
	return err
}

// Grant is a resource that a namespace holds.
type Grant struct {
	Consumer, Resource string
	Maximal            bool // handed to the consumer: no other grant covers it
}

func (g Grant) String() string { return g.Consumer + ":" + g.Resource }

// Grants lists what is granted, in the order in which it was.
func (n *NS) Grants() ([]Grant, error) {
	recs, err := list[abiGrant](n.f, "grants", n.String(), cmdGrants, 0)
	if err != nil {
		return nil, err
	}
	gs := make([]Grant, len(recs))
	for i, r := range recs {
		gs[i] = Grant{text(r.Consumer[:]), text(r.Name[:]), r.State&grantMaximal != 0}
	}
	return gs, nil
}

// Attached is an attached user namespace.
type Attached struct {
	Inode    uint64 // as stat(2) of /proc/PID/ns/user gives it
	Children int    // the namespaces created from it
}

// Attached lists the attached user namespaces, in the order in which they
// were attached.
func (n *NS) Attached() ([]Attached, error) {
	recs, err := list[abiAttached](n.f, "attached", n.String(), cmdAttached, 0)
	if err != nil {
		return nil, err
	}
	as := make([]Attached, len(recs))
	for i, r := range recs {
		as[i] = Attached{r.Inode, int(r.Children)}
	}
	return as, nil
}

// Destroy ends the namespace now, with all below it. Processes are not
// touched. It is no error when that has happened before.
func (n *NS) Destroy() error {
	var a abiDestroy
	_, err := ioctl(n.f, "destroy", n.String(), cmdDestroy, unsafe.Pointer(&a))
	return err
}

// Event is what became of a namespace.
type Event struct {
	Empty bool // its last attached user namespace died
	Dead  bool // it is destroyed
}

// Poll asks without waiting. A namespace that the caller may not see is
// ErrNotExist.
func (n *NS) Poll() (Event, error) { return n.poll(unix.POLLIN, -1, 0) }

// poll waits ms milliseconds (-1: for ever) for events or for stop (a
// descriptor, or -1) to become readable.
func (n *NS) poll(events int16, stop, ms int) (Event, error) {
	sc, err := n.f.SyscallConn()
	if err != nil {
		return Event{}, fmt.Errorf("poll %s: %w", n, err)
	}
	p := []unix.PollFd{{Events: events}, {Fd: int32(stop), Events: unix.POLLIN}}
	cerr := sc.Control(func(fd uintptr) {
		p[0].Fd = int32(fd)
		for {
			if _, err = unix.Poll(p, ms); err != unix.EINTR {
				return
			}
		}
	})
	if cerr != nil {
		err = cerr
	}
	if err != nil {
		return Event{}, fmt.Errorf("poll %s: %w", n, err)
	}
	re := p[0].Revents
	if re&unix.POLLERR != 0 {
		return Event{}, failure("poll", n.String(), unix.ENOENT)
	}
	return Event{Empty: re&unix.POLLIN != 0, Dead: re&unix.POLLHUP != 0}, nil
}

// Wait waits until the namespace is destroyed, or ctx ends (whose error it
// then returns).
func (n *NS) Wait(ctx context.Context) error { return n.wait(ctx, 0) }

// WaitEmpty waits until the last attached user namespace has died or the
// namespace is destroyed, or ctx ends (whose error it then returns).
func (n *NS) WaitEmpty(ctx context.Context) error { return n.wait(ctx, unix.POLLIN) }

func (n *NS) wait(ctx context.Context, events int16) error {
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	ended := make(chan struct{})
	end := context.AfterFunc(ctx, func() {
		defer close(ended)
		unix.Write(stop, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	})
	defer func() {
		if !end() {
			<-ended
		}
		unix.Close(stop)
	}()
	for {
		e, err := n.poll(events, stop, -1)
		if err != nil || e.Dead || e.Empty {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// ParseResource splits RES as people write it, CONSUMER:NAME.
func ParseResource(res string) (consumer, resource string, err error) {
	for i := range len(res) {
		if res[i] == ':' && i > 0 && i+1 < len(res) {
			return res[:i], res[i+1:], nil
		}
	}
	return "", "", fmt.Errorf("resource %q: not of the form CONSUMER:NAME, as zfs:tank/data: %w", res, ErrInvalid)
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"zones/internal/delegns"
)

// request is what the driver wants an agent to do; a descriptor of a user
// namespace may come with it.
type request struct {
	Op       string
	ID       uint64   // of a delegation namespace
	Text     string   // a title, a dataset
	Hold     bool     // for open
	Child    int      // for spawn
	Datasets []string // for probe
}

// answer is what came of it.
type answer struct {
	Errno unix.Errno
	ID    uint64 // of what was created
	PID   int    // of what was spawned, or of who says hello
	Agent int
	Probe string
	Fail  string // what went wrong beyond errnos
}

// actor does what requests say, in the user namespace it runs in.
type actor struct {
	dev    *delegns.Device
	prober *prober
	held   map[uint64][]*delegns.NS
}

func newActor() (*actor, error) {
	d, err := delegns.Open()
	if err != nil {
		return nil, err
	}
	p, err := newProber()
	return &actor{d, p, map[uint64][]*delegns.NS{}}, err
}

// agentMain is the process of one user namespace.
func agentMain(id, socket string) error {
	n, err := strconv.Atoi(id)
	if err != nil {
		return err
	}
	c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: socket, Net: "unixpacket"})
	if err != nil {
		return err
	}
	a, err := newActor()
	if err != nil {
		return err
	}
	if err := send(c, answer{Agent: n, PID: os.Getpid()}, nil); err != nil {
		return err
	}
	for {
		var r request
		fd, err := receive(c, &r)
		if err != nil {
			return nil // the driver is gone
		}
		ans := a.do(r, fd, socket)
		if fd != nil {
			fd.Close()
		}
		if err := send(c, ans, nil); err != nil {
			return nil
		}
	}
}

func (a *actor) do(r request, userns *os.File, socket string) (ans answer) {
	var err error
	switch r.Op {
	case "create":
		var ns *delegns.NS
		if ns, err = a.dev.Create(r.Text); err == nil {
			ans.ID = ns.ID()
			a.held[ans.ID] = append(a.held[ans.ID], ns)
		}
	case "open":
		m := delegns.Watch
		if r.Hold {
			m = delegns.Hold
		}
		var ns *delegns.NS
		if ns, err = a.dev.OpenByID(r.ID, m); err == nil {
			if info, err := ns.Info(false); err != nil || !info.Holding {
				ns.Close() // only those that hold count
				break
			}
			a.held[r.ID] = append(a.held[r.ID], ns)
		}
	case "close":
		fds := a.held[r.ID]
		if len(fds) == 0 {
			return answer{Fail: "nothing to close"}
		}
		fds[len(fds)-1].Close()
		a.held[r.ID] = fds[:len(fds)-1]
	case "probe":
		ans.Probe, err = a.prober.access(r.Datasets)
	case "spawn":
		ans.PID, err = spawn(r.Child, socket)
	default:
		err = a.change(r, userns)
	}
	if err != nil && !errors.As(err, &ans.Errno) {
		ans.Fail = err.Error()
	}
	return ans
}

func (a *actor) change(r request, userns *os.File) error {
	ns, err := a.dev.OpenByID(r.ID, delegns.Watch)
	if err != nil {
		return err
	}
	defer ns.Close()
	switch r.Op {
	case "attach":
		return ns.Attach(userns)
	case "detach":
		return ns.Detach(userns)
	case "grant":
		return ns.Grant("zfs", r.Text)
	case "revoke":
		return ns.Revoke("zfs", r.Text)
	case "destroy":
		return ns.Destroy()
	}
	return fmt.Errorf("no such operation: %s", r.Op)
}

// spawn starts an agent in a user namespace below this process's.
func spawn(id int, socket string) (int, error) {
	outside := 0
	if m, err := os.ReadFile("/proc/self/uid_map"); err == nil && len(m) > 0 {
		var in, out, n int
		if fmt.Sscan(string(m), &in, &out, &n); n > 65536 {
			outside = 100000
		}
	}
	ids := []syscall.SysProcIDMap{{HostID: outside, Size: 65536}}
	cmd := exec.Command("/proc/self/exe", "agent", strconv.Itoa(id), socket)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids,
		GidMappingsEnableSetgroups: true, Credential: &syscall.Credential{}}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	go cmd.Wait() // a zombie would keep its user namespace
	return cmd.Process.Pid, nil
}

// Two of OpenZFS's oldest calls, whose structure begins with the dataset and has
// the value and the cursor behind other fields. To list what comes after the
// last child is ESRCH for who sees the dataset; to inherit a property that cannot
// be inherited is EINVAL for who might write. Neither changes anything.
const (
	zfsListNext    = 0x5a14
	zfsInheritProp = 0x5a2b

	zfsCmdSize    = 16 << 10 // more than the structure of any version
	zfsCmdValue   = 4144
	zfsCmdCursor  = 12616
	zfsLastCursor = ^uint64(0)
)

// prober asks OpenZFS for the access of the process it is in.
type prober struct {
	fd  uintptr
	cmd []byte
}

func newProber() (*prober, error) {
	fd, err := unix.Open("/dev/zfs", unix.O_RDWR|unix.O_CLOEXEC, 0)
	return &prober{uintptr(fd), make([]byte, zfsCmdSize)}, err
}

// access tells the access to each dataset, a letter each. Who may not read is
// not asked for more: that OpenZFS opens a dataset takes a hundred times as long
// as that it refuses to.
func (p *prober) access(datasets []string) (string, error) {
	said := make([]byte, len(datasets))
	for i, d := range datasets {
		reads := p.call(zfsListNext, d, "", zfsLastCursor)
		if reads == unix.ENOENT {
			said[i] = nothing
			continue
		}
		changes := p.call(zfsInheritProp, d, "type", 0)
		switch {
		case reads == unix.ESRCH && changes == unix.EPERM:
			said[i] = sees
		case reads == unix.ESRCH && changes == unix.EINVAL:
			said[i] = writes
		default:
			return "", fmt.Errorf("of %s OpenZFS says %d to a reader and %d to a writer", d, int(reads), int(changes))
		}
	}
	return string(said), nil
}

func (p *prober) call(cmd uintptr, dataset, value string, cursor uint64) unix.Errno {
	clear(p.cmd)
	copy(p.cmd, dataset)
	copy(p.cmd[zfsCmdValue:], value)
	binary.NativeEndian.PutUint64(p.cmd[zfsCmdCursor:], cursor)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, p.fd, cmd, uintptr(unsafe.Pointer(&p.cmd[0])))
	return errno
}

// send and receive carry one message and at most one descriptor.
func send(c *net.UnixConn, v any, f *os.File) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var oob []byte
	if f != nil {
		oob = unix.UnixRights(int(f.Fd()))
	}
	_, _, err = c.WriteMsgUnix(data, oob, nil)
	return err
}

func receive(c *net.UnixConn, v any) (*os.File, error) {
	data, oob := make([]byte, 65536), make([]byte, 64)
	n, on, _, _, err := c.ReadMsgUnix(data, oob)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, net.ErrClosed
	}
	var f *os.File
	if msgs, err := unix.ParseSocketControlMessage(oob[:on]); err == nil && len(msgs) > 0 {
		if fds, err := unix.ParseUnixRights(&msgs[0]); err == nil && len(fds) > 0 {
			unix.CloseOnExec(fds[0])
			f = os.NewFile(uintptr(fds[0]), "userns")
		}
	}
	return f, json.Unmarshal(data[:n], v)
}

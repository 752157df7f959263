// SPDX-License-Identifier: Apache-2.0

package nsexec

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Mount is a file system instance that only a process inside new namespaces
// can make, because it shows them: proc, sysfs, mqueue, devpts, cgroup2.
type Mount struct {
	Type    string
	Target  string   // below the new root, without a leading slash
	Flags   int      // MOUNT_ATTR_*
	Options []string // "key" or "key=value", as for fsconfig(2)
}

// Init is the first process of new namespaces. Its parent is a keeper, a
// process without a program that survives us: it holds descriptors, waits for
// the first process and keeps its exit status for whoever asks.
type Init struct {
	Namespaces uint64   // CLONE_NEW*
	Owner      uint32   // who owns the user namespace
	Cgroup     *os.File // directory of the cgroup to start in
	Root       string   // new root, as our thread's mount namespace has it
	HostMounts *os.File // mount namespace that the keeper goes back to
	Mounts     []Mount  // made in the namespaces, in order
	Hostname   string
	Title      string     // what lists of processes add to KeeperName
	Console    string     // file inside that becomes descriptors 0 to 2
	Keep       []*os.File // what the keeper holds besides its own
	Limits     Limits
	Env        []string
}

// KeeperName is what keepers are called in lists of processes.
const KeeperName = "zone-keeper"

// pipes of an Init, each read end first.
type pipes struct{ maps, goes, commit, exit [2]int }

func newPipes() (p pipes, err error) {
	for _, one := range p.all() {
		if err = unix.Pipe2(one[:], unix.O_CLOEXEC); err != nil {
			p.close()
			return p, fmt.Errorf("make pipe: %w", err)
		}
	}
	return p, nil
}

func (p *pipes) all() []*[2]int { return []*[2]int{&p.maps, &p.goes, &p.commit, &p.exit} }

func (p *pipes) close() {
	for _, one := range p.all() {
		closePositive(one[0])
		closePositive(one[1])
	}
}

func closePositive(fd int) {
	if fd > 0 {
		unix.Close(fd)
	}
}

// Start forks the keeper, which forks the first process. The calling thread
// must be in the mount namespace in which Root is. The process then waits for
// its id maps: see Keeper.Map.
func (in *Init) Start(ctx context.Context) (*Keeper, error) {
	pp, err := newPipes()
	if err != nil {
		return nil, fmt.Errorf("start first process: %w", err)
	}
	keeper, err := NewProgram()
	if err != nil {
		pp.close()
		return nil, fmt.Errorf("start first process: %w", err)
	}
	const pid = Reg(0)
	first := keeper.sub()
	in.first(first, &pp)
	args := &CloneArgs{Flags: in.Namespaces | unix.CLONE_INTO_CGROUP, ExitSignal: uint64(unix.SIGCHLD),
		Cgroup: uint64(in.Cgroup.Fd())}
	held := []int{pp.goes[1], pp.exit[0], keeper.status[0]}
	for _, f := range in.Keep {
		held = append(held, int(f.Fd()))
	}
	keeper.Call("set name", unix.SYS_PRCTL, unix.PR_SET_NAME, KeeperName, 0, 0, 0)
	keeper.entitle(strings.TrimSpace(KeeperName + " " + in.Title))
	keeper.Call("block signals", unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, unsafe.Pointer(&keeper.table.allSignals), 0, 8)
	keeper.Call("setsid", unix.SYS_SETSID)
	// We are spared when memory runs out; the zone is not.
	keeper.oomScore("0")
	keeper.plain()
	keeper.as(in.Owner)
	keeper.Fork(pid, "clone first process", args, first)
	keeper.as(0)
	keeper.oomScore("-900")
	// Or the kernel makes two megabytes again of the few pages that stay.
	keeper.Try("no huge pages", unix.SYS_PRCTL, unix.PR_SET_THP_DISABLE, 1, 0, 0, 0)
	keeper.Call("join host mounts", unix.SYS_SETNS, int(in.HostMounts.Fd()), unix.CLONE_NEWNS)
	keeper.CloseAllBut(append(held, pp.commit[0], pp.exit[1])...)
	keeper.Mark("pid", pid)
	// Until it is told that somebody wrote down that it exists, it dies with us
	// and takes its child along.
	abandoned := keeper.sub()
	abandoned.Call("kill", unix.SYS_KILL, pid, uint32(unix.SIGKILL))
	abandoned.Call("wait", unix.SYS_WAIT4, pid, 0, unix.WALL, 0)
	abandoned.Exit(1)
	keeper.Guard("commit", pp.commit[0], abandoned)
	// With the last writer but the child gone, the child's exec is its end.
	keeper.Call("close", unix.SYS_CLOSE, keeper.status[1])
	keeper.Call("close", unix.SYS_CLOSE, pp.commit[0])
	if err := keeper.settle(pid, pp.exit[1], -1); err != nil {
		pp.close()
		keeper.Discard()
		return nil, fmt.Errorf("start first process: %w", err)
	}

	child, err := keeper.Start(0, -1)
	for _, fd := range []int{pp.maps[0], pp.goes[0], pp.commit[0], pp.exit[1]} {
		unix.Close(fd)
	}
	if err != nil {
		for _, fd := range []int{pp.maps[1], pp.goes[1], pp.commit[1], pp.exit[0]} {
			unix.Close(fd)
		}
		return nil, fmt.Errorf("start first process: %w", err)
	}
	_ = unix.SetNonblock(pp.exit[0], true)
	k := &Keeper{PID: child.PID, Numbers: held, child: child,
		maps: os.NewFile(uintptr(pp.maps[1]), "maps"), goes: os.NewFile(uintptr(pp.goes[1]), "go"),
		commit: os.NewFile(uintptr(pp.commit[1]), "commit"), exit: os.NewFile(uintptr(pp.exit[0]), "exit")}
	v, err := child.AwaitMark(ctx)
	if err != nil {
		k.Kill()
		return nil, fmt.Errorf("start first process: %w", err)
	}
	k.InitPID = int(v)
	return k, nil
}

// entitle appends the change of the process's command line. Who kills a
// supervisor by its command line must not hit the keeper, which would end the
// zone. It is written over our own, or what there is room for.
func (p *Program) entitle(title string) {
	const self = Reg(9)
	room := 0
	for _, arg := range os.Args {
		room += len(arg) + 1
	}
	text := make([]byte, room)
	copy(text[:room-1], title)
	place := unsafe.StringData(os.Args[0])
	from, to := &unix.Iovec{Base: &text[0]}, &unix.Iovec{Base: place}
	from.SetLen(len(text))
	to.SetLen(len(text))
	p.Set(self, "getpid", unix.SYS_GETPID)
	p.Try("set title", unix.SYS_PROCESS_VM_WRITEV, self, unsafe.Pointer(from), 1, unsafe.Pointer(to), 1, 0)
}

// plain appends what makes the scheduling of the process that of any: who
// starts a container may be nice, or bound to a processor, for reasons that are
// not the container's.
func (p *Program) plain() {
	const ofProcess = 1 // IOPRIO_WHO_PROCESS
	p.Try("setpriority", unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 0, 0)
	p.Try("sched_setscheduler", unix.SYS_SCHED_SETSCHEDULER, 0, unix.SCHED_NORMAL, make([]byte, 8))
	p.Try("sched_setaffinity", unix.SYS_SCHED_SETAFFINITY, 0, 1024, bytes.Repeat([]byte{0xff}, 1024))
	p.Try("ioprio_set", unix.SYS_IOPRIO_SET, ofProcess, 0, 0)
	// We may do without huge pages ourselves, and that is inherited over an exec.
	p.Try("allow huge pages", unix.SYS_PRCTL, unix.PR_SET_THP_DISABLE, 0, 0, 0, 0)
}

// as appends a change of the process's user, who keeps all capabilities. What the
// kernel counts for each user, such as signals that wait and inotify instances,
// it counts for the owner of a user namespace too, within his own limits: were
// that root, then any container could leave nothing to root and to the others.
func (p *Program) as(uid uint32) {
	const noFixup, same = 1 << 2, -1
	p.Call("keep capabilities", unix.SYS_PRCTL, unix.PR_SET_SECUREBITS, noFixup, 0, 0, 0)
	p.Call("setresuid", unix.SYS_SETRESUID, same, uid, same)
	p.Call("set secure bits", unix.SYS_PRCTL, unix.PR_SET_SECUREBITS, 0, 0, 0, 0)
}

// oomScore appends the setting of the process's own score.
func (p *Program) oomScore(score string) {
	const fd = Reg(9)
	p.Set(fd, "open oom_score_adj", unix.SYS_OPENAT, unix.AT_FDCWD, "/proc/self/oom_score_adj", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	p.Try("set oom_score_adj", unix.SYS_WRITE, fd, []byte(score), len(score))
	p.Call("close", unix.SYS_CLOSE, fd)
}

// first is the table of the first process.
func (in *Init) first(p *Program, pp *pipes) {
	const root, fs, mnt, dir = Reg(1), Reg(2), Reg(3), Reg(4)
	p.CloseAllBut(pp.maps[0], pp.goes[0])
	lost := p.sub()
	lost.Exit(1)
	p.Guard("wait for id maps", pp.maps[0], lost)
	p.Call("close", unix.SYS_CLOSE, pp.maps[0])
	p.Call("setgroups", unix.SYS_SETGROUPS, 0, 0)
	p.Call("setresgid", unix.SYS_SETRESGID, 0, 0, 0)
	p.Call("setresuid", unix.SYS_SETRESUID, 0, 0, 0)
	p.Call("setsid", unix.SYS_SETSID)
	p.Call("umask", unix.SYS_UMASK, 0o022)
	// The keys of our session would come along; a kernel without keys has none.
	p.Try("join session keyring", unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0)
	p.Set(root, "open root", unix.SYS_OPENAT, unix.AT_FDCWD, in.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	// Nothing of the zone's root is followed out of it, or sideways by a link.
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	for _, m := range in.Mounts {
		p.Set(fs, "fsopen "+m.Type, unix.SYS_FSOPEN, m.Type, unix.FSOPEN_CLOEXEC)
		for _, o := range m.Options {
			if key, value, ok := strings.Cut(o, "="); ok {
				p.Call("fsconfig "+o, unix.SYS_FSCONFIG, fs, unix.FSCONFIG_SET_STRING, key, value, 0)
			} else {
				p.Call("fsconfig "+o, unix.SYS_FSCONFIG, fs, unix.FSCONFIG_SET_FLAG, key, 0, 0)
			}
		}
		p.Call("make "+m.Type, unix.SYS_FSCONFIG, fs, unix.FSCONFIG_CMD_CREATE, 0, 0, 0)
		p.Set(mnt, "fsmount "+m.Type, unix.SYS_FSMOUNT, fs, unix.FSMOUNT_CLOEXEC, m.Flags)
		p.Set(dir, "open /"+m.Target, unix.SYS_OPENAT2, root, m.Target, unsafe.Pointer(how), unix.SizeofOpenHow)
		p.Call("mount /"+m.Target, unix.SYS_MOVE_MOUNT, mnt, "", dir, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
		for _, r := range []Reg{fs, mnt, dir} {
			p.Call("close", unix.SYS_CLOSE, r)
		}
	}
	if in.Namespaces&unix.CLONE_NEWNET != 0 {
		p.loopback()
	}
	name := []byte(in.Hostname)
	p.Call("sethostname", unix.SYS_SETHOSTNAME, name, len(name))
	p.Call("close", unix.SYS_CLOSE, root)
	// The copies of our mounts are locked, and a locked mount cannot become
	// the root; the top of a copy of it in the same namespace is not.
	p.Call("bind root", unix.SYS_MOUNT, in.Root, in.Root, 0, unix.MS_BIND|unix.MS_REC, 0)
	p.Call("chdir root", unix.SYS_CHDIR, in.Root)
	p.Call("pivot_root", unix.SYS_PIVOT_ROOT, ".", ".")
	p.Call("detach old root", unix.SYS_UMOUNT2, ".", unix.MNT_DETACH)
	p.Call("chdir", unix.SYS_CHDIR, "/")
	p.Mark("ready", root)
	p.wait(pp.goes[0])
	if in.Console != "" {
		p.Set(fs, "open "+in.Console, unix.SYS_OPENAT, unix.AT_FDCWD, in.Console, unix.O_RDWR|unix.O_NOCTTY, 0)
		for i := 0; i < 3; i++ {
			p.Call("dup3", unix.SYS_DUP3, fs, i, 0)
		}
		p.Call("close", unix.SYS_CLOSE, fs)
	}
	p.resetSignals()
	p.limit(in.Limits)
	p.execLater(in.Env)
}

// loopback appends the start of the loopback link of a new network namespace.
func (p *Program) loopback() {
	const sock = Reg(5)
	// A struct ifreq: the name, and the flags in place of an address.
	request := make([]byte, 40)
	copy(request, "lo")
	binary.NativeEndian.PutUint16(request[unix.IFNAMSIZ:], unix.IFF_UP|unix.IFF_RUNNING)
	p.Set(sock, "open socket", unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	p.Call("start loopback link", unix.SYS_IOCTL, sock, unix.SIOCSIFFLAGS, request)
	p.Call("close", unix.SYS_CLOSE, sock)
}

// MapLine is one line of an id map: from Inside, Count ids are the host's from
// Outside on.
func MapLine(inside, outside, count uint32) string {
	return fmt.Sprintf("%d %d %d\n", inside, outside, count)
}

// SetMaps writes the id maps of the user namespace of process pid.
func SetMaps(pid int, lines string) error {
	for _, kind := range []string{"gid_map", "uid_map"} {
		name := fmt.Sprintf("/proc/%d/%s", pid, kind)
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("set id map: %w", err)
		}
		_, err = f.WriteString(lines)
		f.Close()
		if err != nil {
			return fmt.Errorf("set id map: %w", err)
		}
	}
	return nil
}

// NewUserns makes a user namespace with the maps given and returns its nsfs
// file. No process is in it.
func NewUserns(ctx context.Context, lines string) (*os.File, error) {
	p, err := NewProgram()
	if err != nil {
		return nil, err
	}
	p.CloseAllBut()
	p.Mark("made", 0)
	p.Linger()
	c, err := p.Start(unix.CLONE_NEWUSER, -1)
	if err != nil {
		return nil, fmt.Errorf("make user namespace: %w", err)
	}
	defer c.Kill()
	if err := SetMaps(c.PID, lines); err != nil {
		return nil, fmt.Errorf("make user namespace: %w", err)
	}
	return os.Open(fmt.Sprintf("/proc/%d/ns/user", c.PID))
}

// waitStatus reads a wait status as a keeper keeps it.
func waitStatus(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }

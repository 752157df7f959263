// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"zones/tests/vm/wire"
)

// qemu is the emulator; the project's module is built for this machine only.
const qemu = "qemu-system-x86_64"

// tankSize makes a pool whose size ZFS shows as 2G.
const tankSize = 2<<30 + 144<<20

// A guest is a running QEMU.
type guest struct {
	cmd     *exec.Cmd
	io      *os.File
	status  *os.File
	frames  *wire.FrameWriter
	console *tailBuffer // the kernel's console
	errors  *tailBuffer // what QEMU says
	once    sync.Once
}

// start starts QEMU with the files that tests/vm/build named. Everything that
// the host and QEMU share is passed as a descriptor: nothing of a run has a
// name, so nothing is left behind, however we end.
func start(opt options, files map[string]string, accel []string) (*guest, error) {
	g := &guest{console: &tailBuffer{}, errors: &tailBuffer{}}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	pass := func(f *os.File) string { // the number f will have in QEMU
		theirs = append(theirs, f)
		return strconv.Itoa(2 + len(theirs))
	}
	var ends [3]*os.File
	args := append([]string{}, accel...)
	args = append(args, "-m", strconv.Itoa(opt.memory), "-smp", strconv.Itoa(opt.cpus),
		"-M", "q35", "-nodefaults", "-no-user-config", "-nographic", "-no-reboot", "-monitor", "none",
		"-kernel", files["kernel"], "-initrd", files["initrd"], "-append", kernelArguments(files),
		"-device", "virtio-serial-pci", "-device", "virtio-rng-pci")
	for i, name := range []string{"console", wire.IOPort, wire.StatusPort} {
		ours, other, err := socketPair()
		if err != nil {
			return nil, err
		}
		ends[i] = ours
		args = append(args, "-chardev", fmt.Sprintf("socket,id=port%d,fd=%s", i, pass(other)))
		if i == 0 {
			args = append(args, "-serial", "chardev:port0")
			continue
		}
		args = append(args, "-device", fmt.Sprintf("virtserialport,chardev=port%d,name=%s", i, name))
	}
	tank, err := scratchDisk(opt.cache, tankSize)
	if err != nil {
		return nil, err
	}
	// QEMU looks at a disk before it writes to it, and wants a descriptor for each.
	reader, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", tank.Fd()))
	if err != nil {
		return nil, fmt.Errorf("make scratch disk: %w", err)
	}
	args = append(args, "-add-fd", "set=1,fd="+pass(tank), "-add-fd", "set=1,fd="+pass(reader))
	args = append(args, disk("root", files["root"], "snapshot=on")...)
	args = append(args, disk("payload", files["payload"], "readonly=on")...)
	args = append(args, disk("images", files["images"], "readonly=on")...)
	args = append(args, disk("tank", "/dev/fdset/1", "discard=unmap")...)
	if opt.dir != "" {
		args = append(args, "-fsdev", "local,id=dir,security_model="+shareModel()+",path="+comma(opt.dir),
			"-device", "virtio-9p-pci,fsdev=dir,mount_tag=share")
	}
	g.io, g.status = ends[1], ends[2]
	g.frames = wire.NewFrameWriter(g.io)
	g.cmd = exec.Command(qemu, args...)
	g.cmd.ExtraFiles = theirs
	g.cmd.Stdout, g.cmd.Stderr = g.errors, g.errors
	g.cmd.Env = append(os.Environ(), "TMPDIR="+opt.cache)
	// A group of its own: the terminal's interrupt is for us, or the guest.
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", qemu, err)
	}
	go func() { _, _ = io.Copy(g.console, ends[0]) }()
	return g, nil
}

// kernelArguments make every fault loud and everything else quiet. The limits
// of the lockup detectors are those of an emulated guest on a busy machine.
func kernelArguments(files map[string]string) string {
	args := []string{
		"console=ttyS0", "loglevel=5", "panic=-1", "oops=panic", "mitigations=off", "cgroup_no_v1=all",
		"net.ifnames=0", "no_timer_check", "watchdog_thresh=60", "rcupdate.rcu_cpu_stall_timeout=180", "log_buf_len=4M",
	}
	if extra := files["kernel-arguments"]; extra != "" {
		args = append(args, extra)
	}
	return strings.Join(args, " ")
}

func disk(serial, file, option string) []string {
	return []string{
		"-drive", fmt.Sprintf("if=none,id=%s,format=raw,cache=unsafe,%s,file=%s", serial, option, comma(file)),
		"-device", fmt.Sprintf("virtio-blk-pci,drive=%s,serial=%s", serial, serial),
	}
}

// comma quotes a value for QEMU's options.
func comma(s string) string { return strings.ReplaceAll(s, ",", ",,") }

// shareModel is how the guest's owners and modes are kept in the shared
// directory: as they are when we may set them.
func shareModel() string {
	if os.Geteuid() == 0 {
		return "passthrough"
	}
	return "none"
}

func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	// Only our end is non-blocking, so that reads of it can be given up.
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "port"), os.NewFile(uintptr(fds[1]), "port"), nil
}

// scratchDisk makes a sparse disk without a name in dir. It has one partition,
// because ZFS, given a whole disk, would spend seconds on dividing it.
func scratchDisk(dir string, size int64) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make scratch disk in %s: %w", dir, err)
	}
	f := os.NewFile(uintptr(fd), "tank")
	const sector, first = 512, 2048
	table := make([]byte, sector)
	entry := table[446:]
	entry[4] = 0xbf
	binary.LittleEndian.PutUint32(entry[8:], first)
	binary.LittleEndian.PutUint32(entry[12:], uint32(size/sector-first))
	table[510], table[511] = 0x55, 0xaa
	if _, err := f.WriteAt(table, 0); err != nil {
		return nil, fmt.Errorf("make scratch disk: %w", err)
	}
	if err := f.Truncate(size); err != nil {
		return nil, fmt.Errorf("make scratch disk: %w", err)
	}
	return f, nil
}

func (g *guest) send(job wire.Job) error {
	b, err := json.Marshal(job)
	if err != nil {
		return err
	}
	return g.frames.Write(wire.JobFrame, b)
}

// copyOutput passes the command's output on until its end.
func (g *guest) copyOutput(stdout, stderr io.Writer) error {
	var failed error
	for {
		kind, data, err := wire.Read(g.io)
		if err != nil {
			return err
		}
		switch kind {
		case wire.OutputEnd:
			return failed
		case wire.Stdout:
			_, err = stdout.Write(data)
		case wire.Stderr:
			_, err = stderr.Write(data)
		}
		// A reader that left early, as head(1) does, is no failure of ours.
		if err != nil && failed == nil && !errors.Is(err, syscall.EPIPE) {
			failed = err
		}
	}
}

// end kills QEMU and waits for it; it may be called twice.
func (g *guest) end() {
	g.once.Do(func() {
		_ = g.cmd.Process.Kill()
		_ = g.cmd.Wait()
	})
}

func (g *guest) complaints() string {
	if s := strings.TrimSpace(g.errors.String()); s != "" {
		return "; QEMU says: " + s
	}
	return ""
}

func (g *guest) consoleTail() string {
	s := strings.TrimSpace(strings.ReplaceAll(g.console.String(), "\r", ""))
	if s == "" {
		return ""
	}
	return "; the console ends:\n" + s
}

// A tailBuffer keeps the end of what is written to it.
type tailBuffer struct {
	mu  sync.Mutex
	buf []byte
}

const tailKept = 24 << 10

func (t *tailBuffer) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailKept; over > 0 {
		t.buf = bytes.Clone(t.buf[over:])
	}
	return len(p), nil
}

func (t *tailBuffer) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"zones/tests/vm/wire"
)

// The guest's disks, by the serial number that the host gives them.
const (
	rootDisk    = "root"    // ext4, the release; what is written there is forgotten
	payloadDisk = "payload" // a tar of what is under test, to be unpacked over it
	imagesDisk  = "images"  // ext4, read only, the zone images
	tankDisk    = "tank"    // one partition, for the pool
)

// newRoot is where the release's file system is mounted before it becomes /.
const newRoot = "/root"

// searchPath is PATH of everything that runs in the guest.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

type mountpoint struct {
	source, target, fstype string
	flags                  uintptr
	data                   string
}

const nodevsuid = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// early is what the way to the root file system needs.
var early = []mountpoint{
	{"proc", "/proc", "proc", nodevsuid, ""},
	{"sysfs", "/sys", "sysfs", nodevsuid, ""},
	{"devtmpfs", "/dev", "devtmpfs", unix.MS_NOSUID, "mode=0755"},
}

// late is what a machine that was started by systemd has besides.
var late = append(early[:len(early):len(early)], []mountpoint{
	{"devpts", "/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "gid=5,mode=620,ptmxmode=000"},
	{"tmpfs", "/dev/shm", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, ""},
	{"mqueue", "/dev/mqueue", "mqueue", nodevsuid, ""},
	{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755"},
	{"tmpfs", "/tmp", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
	{"cgroup2", "/sys/fs/cgroup", "cgroup2", nodevsuid, "nsdelegate"},
	{"securityfs", "/sys/kernel/security", "securityfs", nodevsuid, ""},
	{"debugfs", "/sys/kernel/debug", "debugfs", nodevsuid, ""},
	{"tracefs", "/sys/kernel/tracing", "tracefs", nodevsuid, ""},
	{"bpf", "/sys/fs/bpf", "bpf", nodevsuid, "mode=0700"},
}...)

// prepare turns the guest into a machine on which a zone can be tried. The
// notes are what a person should know and what is no reason to stop.
func prepare(job wire.Job) (notes []string, err error) {
	steps := []struct {
		what string
		do   func() error
	}{
		{"enter root", enterRoot},
		{"mount", func() error { return mountAll("", late) }},
		{"unpack payload", unpackPayload},
		{"settle", settle},
		{"enable controllers", enableControllers},
		{"load modules", func() error { return loadModules(&notes) }},
		{"start udev", startUdev},
		{"make pool", makePool},
		{"mount images", func() error { return mountDisk(imagesDisk, "/images", unix.MS_RDONLY) }},
		{"mount share", func() error { return mountShare(job) }},
	}
	for _, step := range steps {
		logStep(step.what)
		if err := step.do(); err != nil {
			return nil, err
		}
	}
	logStep("run")
	return notes, nil
}

// logStep puts a line into the kernel's log, so that it tells where the time
// of a start went.
func logStep(what string) { _ = os.WriteFile("/dev/kmsg", []byte("<6>init: "+what+"\n"), 0) }

func mountAll(root string, table []mountpoint) error {
	for _, m := range table {
		target := root + m.target
		if err := os.MkdirAll(target, 0o755); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
		err := unix.Mount(m.source, target, m.fstype, m.flags, m.data)
		if err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s on %s: %w", m.fstype, m.target, err)
		}
	}
	return nil
}

// insertModules inserts the modules that the ports and the root file system
// need, in the order of their names.
func insertModules() error {
	names, err := filepath.Glob("/modules/*.ko")
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("insert module: %w", err)
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("insert module %s: %w", name, err)
		}
	}
	return nil
}

// disk returns the device of the disk with that serial number.
func disk(serial string) (string, error) {
	found, _ := filepath.Glob("/sys/block/vd*/serial")
	for _, f := range found {
		b, err := os.ReadFile(f)
		if err == nil && strings.TrimSpace(string(b)) == serial {
			return "/dev/" + filepath.Base(filepath.Dir(f)), nil
		}
	}
	return "", fmt.Errorf("disk %s: %w", serial, os.ErrNotExist)
}

func mountDisk(serial, target string, flags uintptr) error {
	dev, err := disk(serial)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return fmt.Errorf("mount disk %s: %w", serial, err)
	}
	if err := unix.Mount(dev, target, "ext4", flags, ""); err != nil {
		return fmt.Errorf("mount disk %s on %s: %w", serial, target, err)
	}
	return nil
}

func enterRoot() error {
	if err := mountDisk(rootDisk, newRoot, 0); err != nil {
		return err
	}
	for _, m := range early {
		if err := unix.Mount(m.target, newRoot+m.target, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s: %w", m.target, err)
		}
	}
	if err := unix.Chdir(newRoot); err != nil {
		return fmt.Errorf("enter root: %w", err)
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("enter root: move: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("enter root: chroot: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	// As systemd does: a machine's mounts propagate.
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

// unpackPayload unpacks the tar on the payload's disk over the root. The host
// made it; names that leave the root are an error all the same.
func unpackPayload() error {
	dev, err := disk(payloadDisk)
	if err != nil {
		return err
	}
	f, err := os.Open(dev)
	if err != nil {
		return fmt.Errorf("unpack payload: %w", err)
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("unpack payload: %w", err)
		}
		if err := unpackOne(h, r); err != nil {
			return fmt.Errorf("unpack payload: %w", err)
		}
	}
}

func unpackOne(h *tar.Header, r io.Reader) error {
	if !filepath.IsLocal(h.Name) {
		return fmt.Errorf("%q is not below the root", h.Name)
	}
	name := "/" + h.Name
	mode := h.FileInfo().Mode()
	switch h.Typeflag {
	case tar.TypeDir:
		return os.MkdirAll(name, mode.Perm())
	case tar.TypeSymlink:
		_ = os.Remove(name)
		return os.Symlink(h.Linkname, name)
	case tar.TypeReg:
		_ = os.Remove(name)
		w, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode.Perm())
		if err != nil {
			return err
		}
		_, err = io.Copy(w, r)
		return errors.Join(err, w.Close())
	}
	return fmt.Errorf("%q has type %q", h.Name, h.Typeflag)
}

// settle does the small things that make a machine whole.
func settle() error {
	links := map[string]string{"/dev/fd": "/proc/self/fd", "/dev/stdin": "fd/0", "/dev/stdout": "fd/1",
		"/dev/stderr": "fd/2"}
	for name, to := range links {
		if err := os.Symlink(to, name); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	for _, dir := range []string{"/run/lock", "/run/user", "/mnt/dir"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Sethostname([]byte("vm")); err != nil {
		return fmt.Errorf("set hostname: %w", err)
	}
	if err := os.WriteFile("/etc/hostname", []byte("vm\n"), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile("/etc/hosts", []byte("127.0.0.1 localhost vm\n::1 localhost\n"), 0o644); err != nil {
		return err
	}
	os.Setenv("PATH", searchPath)
	return loopbackUp()
}

func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	defer unix.Close(s)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, req); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	return nil
}

// enableControllers gives every controller of the machine to its cgroups.
func enableControllers() error {
	b, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers")
	if err != nil {
		return fmt.Errorf("enable controllers: %w", err)
	}
	for _, c := range strings.Fields(string(b)) {
		if err := os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+"+c), 0); err != nil {
			return fmt.Errorf("enable controller %s: %w", c, err)
		}
	}
	return nil
}

// loadModules loads ZFS, and ours where the payload has them.
func loadModules(notes *[]string) error {
	if err := quietly("modprobe", "zfs"); err != nil {
		return err
	}
	if err := os.Chmod("/dev/zfs", 0o666); err != nil {
		return err
	}
	for _, name := range []string{"delegns", "delegns_zfs"} {
		if quietly("modinfo", name) != nil {
			*notes = append(*notes, "there is no module "+name+" in this tree; going on without it")
			continue
		}
		if err := quietly("modprobe", name); err != nil {
			return err
		}
	}
	return nil
}

// startUdev starts the daemon that makes the links below /dev, as on a machine.
func startUdev() error {
	return quietly("/usr/lib/systemd/systemd-udevd", "--daemon", "--resolve-names=never")
}

func makePool() error {
	dev, err := disk(tankDisk)
	if err != nil {
		return err
	}
	return quietly("zpool", "create", "-f", "-o", "cachefile=none", "tank", dev+"1")
}

// mountShare mounts the directory that the host shares.
func mountShare(job wire.Job) error {
	if !job.Share {
		return nil
	}
	const options = "trans=virtio,version=9p2000.L,msize=512000,cache=mmap,access=client"
	if err := unix.Mount("share", "/mnt/dir", "9p", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("mount the shared directory: %w", err)
	}
	return nil
}

// quietly runs a command; what it says is in the error when it fails.
func quietly(name string, arg ...string) error {
	out, err := exec.Command(name, arg...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(arg, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

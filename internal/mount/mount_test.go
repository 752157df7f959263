// SPDX-License-Identifier: Apache-2.0

package mount_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zones/internal/mount"
	"zones/internal/nsexec"
)

// The main goroutine keeps the main thread, whose mounts /proc/self shows, away
// from the goroutine that changes its thread's.
func init() { runtime.LockOSThread() }

// started is a first process on a thread of its own, as boot starts one.
func started(t *testing.T, ctx context.Context, in *nsexec.Init, tree *mount.Tree) *nsexec.Keeper {
	t.Helper()
	const base = 200000
	stage := t.TempDir()
	userns, err := nsexec.NewUserns(ctx, nsexec.MapLine(0, base, 65536))
	if err != nil {
		t.Fatal(err)
	}
	defer userns.Close()
	host, err := os.Open("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	in.HostMounts, in.Root = host, mount.Inside
	type result struct {
		k   *nsexec.Keeper
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with us
		if err := mount.Isolate(); err != nil {
			done <- result{nil, err}
			return
		}
		if err := tree.Build(stage, userns, base); err != nil {
			done <- result{nil, err}
			return
		}
		k, err := in.Start(ctx)
		done <- result{k, err}
	}()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	if err := nsexec.SetMaps(r.k.InitPID, nsexec.MapLine(0, base, 65536)); err != nil {
		t.Fatal(err)
	}
	if err := r.k.Map(ctx); err != nil {
		t.Fatal(err)
	}
	return r.k
}

const script = `
id -u; hostname; pwd; ls /; mount -t tmpfs x /mnt && echo mounted; umount /ro 2>/dev/null && echo unmounted
mount -o remount,rw /ro 2>/dev/null && echo remounted; echo x 2>/dev/null >/ro/f || echo refused
touch /made; stat -c %u /made; stat -c %u:%a /dev/null /dev/pts /dev/shm; echo x >/dev/null && echo null; ls /dev/pts
ls /proc | grep -c '^[0-9]'; cat /proc/self/cgroup; wc -l </proc/self/mounts; ls /proc/self/fd; cat /rw/hello; stat -c %u /rw/hello
readlink /proc/1/root; cat /proc/sys/kernel/hostname; ls /sys/class/net; [ -w /proc/sysrq-trigger ] && echo sysrq
grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; kill -9 1; echo survived; exit 3
`

const want = `0
inside
/
bin
dev
mnt
proc
ro
run
rw
sys
tmp
var
mounted
refused
0
0:666
0:755
0:1777
null
ptmx
`

// folders makes a root with a shell and two folders to show in it.
func folders(t *testing.T) (dir, root string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root = filepath.Join(dir, "root")
	for _, d := range []string{"root/bin", "root/mnt", "ro", "rw"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	os.WriteFile(filepath.Join(dir, "rw/hello"), []byte("hello\n"), 0o600)
	if out, err := exec.Command("sh", "-c", "cp /bin/busybox "+root+"/bin && for a in sh id hostname pwd ls mount umount touch stat grep cat wc readlink kill; do ln -s busybox "+root+"/bin/$a; done").CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	return dir, root
}

func cgroupDir(t *testing.T) *os.File {
	t.Helper()
	cg := "/sys/fs/cgroup/unified/zones-test"
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		cg = "/sys/fs/cgroup/zones-test"
	}
	if err := os.Mkdir(cg, 0o755); err != nil && !os.IsExist(err) {
		t.Skip("requires a cgroup2 hierarchy")
	}
	t.Cleanup(func() { os.Remove(cg) })
	cgroup, err := os.Open(cg)
	if err != nil {
		t.Fatal(err)
	}
	return cgroup
}

func TestFirstProcess(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("requires root")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	dir, root := folders(t)
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "log")
	os.WriteFile(log, nil, 0o666)
	os.Chmod(log, 0o666)
	cgroup := cgroupDir(t)
	tree := &mount.Tree{Root: root, Dev: mount.StandardDev(), Entries: []mount.Entry{
		{Type: mount.Bind, Source: filepath.Join(dir, "ro"), Target: "/ro", Options: []string{"ro"}},
		{Type: mount.Bind, Source: filepath.Join(dir, "rw"), Target: "/rw/", Mapped: true},
		{Type: mount.Bind, Source: filepath.Join(dir, "ro"), Target: "/rw/its/point", Mapped: true},
		{Type: mount.Bind, Source: log, Target: "/var/log/out"},
		{Type: "tmpfs", Source: "tmpfs", Target: "/tmp/deep", Options: []string{"size=1m"}},
		{Type: "tmpfs", Source: "tmpfs", Target: "/tmp/deep/in/it", Options: []string{"size=1m"}},
		{Type: mount.Bind, Source: filepath.Join(dir, "ro"), Target: "/tmp/deep/in/it/again", Mapped: true},
	}}
	const common = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	in := &nsexec.Init{Cgroup: cgroup, Hostname: "inside", Keep: []*os.File{w}, Env: []string{"PATH=/bin"}, Console: "/var/log/out",
		Namespaces: unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWCGROUP | unix.CLONE_NEWNET,
		Limits:     nsexec.Limits{Caps: nsexec.AllCaps() &^ (1 << unix.CAP_SYS_MODULE), Seccomp: nsexec.SeccompFilter()},
		Mounts: []nsexec.Mount{{Type: "proc", Target: "proc", Flags: common}, {Type: "sysfs", Target: "sys", Flags: common | unix.MOUNT_ATTR_RDONLY},
			{Type: "devpts", Target: "dev/pts", Flags: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC, Options: []string{"newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
			{Type: "mqueue", Target: "dev/mqueue", Flags: common}, {Type: "cgroup2", Target: "sys/fs/cgroup", Flags: common}}}
	k := started(t, ctx, in, tree)
	if err := k.Commit(); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile("/proc/self/mounts")
	if strings.Contains(string(before), "/var/log/out") {
		t.Error("a mount shows on the host")
	}
	if err := k.Go(ctx, "/bin/sh", []string{"sh", "-c", script}); err != nil {
		t.Fatal(err)
	}
	checkKeeper(t, k.PID)
	status, err := k.ExitStatus(ctx)
	if err != nil || status.ExitStatus() != 3 {
		t.Errorf("status %v, %v", status, err)
	}
	if err := k.Kill(); err != nil {
		t.Error(err)
	}
	w.Close()
	out.Close()
	said, _ := os.ReadFile(log)
	if !strings.HasPrefix(string(said), want) {
		t.Errorf("inside: %s", said)
	}
	for _, line := range []string{"\n0::/\n", "\nhello\n0\n/\ninside\nlo\nCapBnd:\t", "NoNewPrivs:\t0\nSeccomp:\t2\nsurvived\n"} {
		if !strings.Contains(string(said), line) {
			t.Errorf("inside: no %q in %s", line, said)
		}
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(dir, "rw/its/point"), &st); err != nil || st.Uid != 0 {
		t.Errorf("a mount point in a folder of the host belongs to %d: %v", st.Uid, err)
	}
	if err := unix.Stat(filepath.Join(root, "made"), &st); err != nil || st.Uid != 0 {
		t.Errorf("a file of the inside's root belongs to %d on disk: %v", st.Uid, err)
	}
}

// checkKeeper holds the keeper to having next to no memory of its own: there is
// one for each zone, for as long as the zone runs.
func checkKeeper(t *testing.T, pid int) {
	t.Helper()
	var dirty int
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(data), "\n") {
			fmt.Sscanf(line, "Private_Dirty: %d kB", &dirty)
		}
		if dirty > 0 && dirty < 200 {
			return
		}
	}
	t.Errorf("the keeper has %d kB of its own", dirty)
}

func TestLinksInside(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("requires root")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	userns, err := nsexec.NewUserns(ctx, nsexec.MapLine(0, 200000, 65536))
	if err != nil {
		t.Fatal(err)
	}
	defer userns.Close()
	for link, to := range map[string]string{"dev": "/etc", "proc": "..", "sub": "/etc"} {
		root := t.TempDir()
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
		tree := &mount.Tree{Root: root, Dev: mount.StandardDev(), Entries: []mount.Entry{{Type: "tmpfs", Source: "tmpfs", Target: "/sub/dir"}}}
		stage := t.TempDir()
		done := make(chan error)
		go func() {
			runtime.LockOSThread()
			if err := mount.Isolate(); err != nil {
				done <- err
				return
			}
			done <- tree.Build(stage, userns, 200000)
		}()
		var what *mount.Error
		if err := <-done; !errors.As(err, &what) || !errors.Is(err, mount.ErrLink) {
			t.Errorf("%s -> %s: %v", link, to, err)
		}
	}
	if _, err := os.Stat("/etc/dir"); err == nil {
		t.Error("a link was followed")
	}
}

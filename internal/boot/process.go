// SPDX-License-Identifier: Apache-2.0

package boot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"zones/internal/cgroup"
	"zones/internal/console"
	"zones/internal/control"
	"zones/internal/mount"
	"zones/internal/nsexec"
	"zones/internal/spec"
)

func makeCgroup(_ context.Context, m *Machine) error {
	z := m.Spec
	if err := cgroup.Create(z.Cgroup, z.Limits); err != nil {
		return err
	}
	m.at()
	if err := m.dedicate(); err != nil {
		return err
	}
	if err := errors.Join(cgroup.Delegate(z.Cgroup, int(z.IDBase)), m.allowVolumes()); err != nil {
		return err
	}
	// Only commands in the zone read it. In a zone within a zone it cannot be
	// set, and they make do without.
	_ = cgroup.Tag(z.Cgroup, control.BrandTag, z.Brand)
	f, err := cgroup.Open(z.Cgroup)
	m.cgroup = f
	return err
}

// dedicate gives the zone processors of its own, if it is to have any.
func (m *Machine) dedicate() error {
	if m.Spec.Processors.High == 0 {
		return nil
	}
	what := spec.ProcessorsResource
	list, alone, err := cgroup.Dedicate(m.Spec.Cgroup, m.Spec.Processors)
	if err != nil {
		return fmt.Errorf("%s: %w\n%[1]s setting cannot be instantiated", what, err)
	}
	if !alone {
		m.say("WARNING: %s: no other zone has processors %s, but the host may use them too.", what, list)
	}
	return nil
}

func removeCgroup(_ context.Context, m *Machine) error {
	closeFile(&m.cgroup)
	return cgroup.Remove(m.Record.Cgroup)
}

func makeConsole(_ context.Context, m *Machine) (err error) {
	m.Term, err = console.New(int(m.Spec.IDBase))
	return err
}

func closeConsole(_ context.Context, m *Machine) error {
	if m.Term != nil {
		m.Term.Close()
		m.Term = nil
	}
	return nil
}

// stageDir is where the zone's mounts are put together, in a mount namespace
// of their own; on the host it stays empty.
const stageDir = control.Dir + "/.stage"

// startProcess makes the mounts and the first process. It runs on a thread of
// its own, whose mounts become the zone's, and which ends afterwards.
func startProcess(ctx context.Context, m *Machine) error {
	z := m.Spec
	if err := os.Mkdir(stageDir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := checkFilesystems(ctx, z.Tree.Entries); err != nil {
		return err
	}
	<-m.prepare.made
	if m.prepare.mapsErr != nil {
		return m.prepare.mapsErr
	}
	userns := m.prepare.userns
	host, err := os.Open("/proc/self/ns/mnt")
	if err != nil {
		return err
	}
	defer host.Close()
	tree := z.Tree
	tree.Dev.Console = m.Term.Path
	in := &nsexec.Init{Namespaces: z.Namespaces, Owner: z.IDBase, Cgroup: m.cgroup, Root: mount.Inside, HostMounts: host, Mounts: z.Mounts,
		Hostname: z.Hostname, Title: string(z.Name),
		Console: "/dev/console", Keep: []*os.File{m.Term.Master, m.Term.Slave}, Limits: z.Process, Env: z.Env}
	z.Process.Rlimits = nsexec.AllowRlimits(z.Process.Rlimits)
	made := make(chan *nsexec.Keeper, 1)
	err = within(ctx, "make the zone's mounts and first process", func() error {
		runtime.LockOSThread() // and never unlocked
		if err := mount.Isolate(); err != nil {
			return err
		}
		if err := tree.Build(stageDir, userns, int(z.IDBase)); err != nil {
			return pointProblem(z.Tree.Root, err)
		}
		// Nobody is there for it any more.
		if ctx.Err() != nil {
			return ctx.Err()
		}
		m.at()
		k, err := in.Start(ctx)
		made <- k
		return err
	})
	if err != nil {
		return err
	}
	m.Keeper = <-made
	m.at()
	if err := m.noteProcesses(); err != nil {
		return err
	}
	m.at()
	if err := nsexec.SetMaps(m.Keeper.InitPID, nsexec.MapLine(0, z.IDBase, z.IDSize)); err != nil {
		return err
	}
	m.at()
	if err := m.Keeper.Map(ctx); err != nil {
		return err
	}
	m.at()
	return m.setSysctls(ctx)
}

// pointProblem words what stands in the place of a mount point as illumos does,
// by the host's name.
func pointProblem(root string, err error) error {
	var at *mount.Error
	if !errors.As(err, &at) {
		return err
	}
	path := filepath.Join(root, at.Path)
	if strings.HasPrefix(at.Path, root) {
		path = at.Path
	}
	switch {
	case errors.Is(err, mount.ErrLink):
		return fmt.Errorf("%s %w\n%s is not a valid mount point", path, mount.ErrLink, path)
	case errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("%s is not a directory\n%s is not a valid mount point", path, path)
	}
	return err
}

func (m *Machine) noteProcesses() (err error) {
	m.Record.PID, m.Record.Keeper, m.Record.KeeperFDs = m.Keeper.InitPID, m.Keeper.PID, m.Keeper.Numbers
	if m.Record.Start, _, err = control.StartTime(m.Record.PID); err != nil {
		return fmt.Errorf("start first process: %w", err)
	}
	if m.Record.KStart, _, err = control.StartTime(m.Record.Keeper); err != nil {
		return fmt.Errorf("start first process: %w", err)
	}
	if m.Spec.Exclusive() {
		m.Netns, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", m.Record.PID))
	}
	return err
}

func (m *Machine) setSysctls(ctx context.Context) error {
	if len(m.Spec.Sysctls) == 0 {
		return nil
	}
	pidfd, err := m.Record.PIDFD()
	if err != nil {
		return err
	}
	defer pidfd.Close()
	for _, s := range m.Spec.Sysctls {
		if err := nsexec.WriteIn(ctx, pidfd, unix.CLONE_NEWIPC, m.Record.UIDBase, "/proc/sys/"+s.Name, s.Value); err != nil {
			return fmt.Errorf("limit %s: %w", s.Name, err)
		}
	}
	return nil
}

// checked is what is looked at before an entry is mounted: what its resource
// asks for, or else the image file that is to be written to; empty for nothing.
func checked(e *mount.Entry) string {
	if e.Check != "" || e.Type == mount.Bind || slices.Contains(e.Options, "ro") {
		return e.Check
	}
	image, err := os.Lstat(e.Source)
	if err != nil || !image.Mode().IsRegular() {
		return ""
	}
	if _, err := os.Stat("/sbin/fsck." + e.Type); err != nil {
		return ""
	}
	return e.Source
}

// checkFilesystems runs the checks that fs resources ask for.
func checkFilesystems(ctx context.Context, entries []mount.Entry) error {
	for _, e := range entries {
		if e.Check = checked(&e); e.Check == "" {
			continue
		}
		out, err := exec.CommandContext(ctx, "/sbin/fsck."+e.Type, "-a", e.Check).CombinedOutput()
		var exit *exec.ExitError
		// Status 1 says that errors were found and mended.
		if errors.As(err, &exit) && exit.ExitCode() == 1 {
			continue
		}
		if errors.As(err, &exit) {
			return fmt.Errorf("fsck of '%s' failed with exit status %d; run fsck manually", e.Check, exit.ExitCode())
		}
		if err != nil {
			return fmt.Errorf("fsck of '%s' failed: %w: %s", e.Check, err, out)
		}
	}
	return nil
}

// killProcesses is the first thing that halting does: nothing else of a zone
// is taken away under a process.
func killProcesses(ctx context.Context, m *Machine) error {
	if m.Record.Phase != control.PhaseHalting && m.Record.PID != 0 {
		m.Record.Phase = control.PhaseHalting
		// No zone runs on because there is no room for that.
		if err := m.Record.Save(); err != nil {
			m.log("%v", err)
		}
	}
	m.at()
	return kill(ctx, m.Record.Cgroup)
}

// kill ends every process in a cgroup, or fails with an aliveError.
func kill(ctx context.Context, group string) error {
	if err := cgroup.Kill(ctx, group); err != nil {
		return &aliveError{err}
	}
	return nil
}

// An aliveError is a zone whose processes do not end, or may not have.
type aliveError struct{ err error }

func (e *aliveError) Error() string { return "unable to shutdown zone: " + e.err.Error() }
func (e *aliveError) Unwrap() error { return e.err }

// endProcess ends the first process and its keeper, and with them the last
// holders of the zone's mounts.
func endProcess(ctx context.Context, m *Machine) error {
	if m.Record.Cgroup != "" {
		if err := kill(ctx, m.Record.Cgroup); err != nil {
			return err
		}
	}
	m.at()
	if m.Keeper != nil {
		err := m.Keeper.Kill()
		m.Keeper = nil
		if err != nil {
			return err
		}
	} else if keeper, err := m.Record.KeeperFD(); err == nil {
		defer keeper.Close()
		if err := unix.PidfdSendSignal(int(keeper.Fd()), unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("end keeper: %w", err)
		}
	}
	m.at()
	closeFile(&m.Netns)
	m.Record.PID, m.Record.Keeper, m.Record.KeeperFDs = 0, 0, nil
	return nil
}

// checkInit looks at the program that is to be the first, in the zone's root
// with what is mounted there, so that the administrator reads why it cannot
// run.
func (m *Machine) checkInit(init string) error {
	if init == spec.EntrypointInit {
		return nil // it is not in the root, and it says itself what it lacks
	}
	where := filepath.Join(m.Record.Root, init)
	root, err := unix.Open(filepath.Join("/proc", strconv.Itoa(m.Record.PID), "root"), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("look at %s: %w", where, err)
	}
	defer unix.Close(root)
	if !m.Record.Alive() {
		// Or the number is another process's by now.
		return fmt.Errorf("look at %s: %w", where, control.ErrNotActive)
	}
	fd, err := unix.Openat2(root, init, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return &statError{where, err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &statError{where, err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o111 == 0 {
		return fmt.Errorf("%s is not executable", where)
	}
	return nil
}

// statError is a program that cannot be looked at, in the words of illumos:
// the reason is spelled as strerror(3) does.
type statError struct {
	path string
	err  error
}

func (e *statError) Error() string {
	text := fmt.Sprint(e.err)
	return "could not stat " + e.path + ": " + strings.ToUpper(text[:1]) + text[1:]
}

func (e *statError) Unwrap() error { return e.err }

func closeFile(f **os.File) {
	if *f != nil {
		(*f).Close()
		*f = nil
	}
}

// Adopt takes over a zone whose supervisor died: the keeper, the console, the
// delegation namespace and the network namespace.
func Adopt(r *control.Record) (*Machine, error) {
	m := &Machine{Record: *r}
	pidfd, err := r.KeeperFD()
	if err != nil {
		return m, err
	}
	keeper, kept, err := nsexec.Adopt(pidfd, r.Keeper, r.PID, r.KeeperFDs)
	if err != nil {
		pidfd.Close()
		return m, err
	}
	m.Keeper = keeper
	if m.Record.Phase == control.PhaseReady && keeper.Gone() {
		// The supervisor died before it could write down that init runs.
		m.Record.Phase = control.PhaseRunning
		if err := m.Record.Save(); err != nil {
			return m, err
		}
	}
	if len(kept) >= 2 {
		_ = unix.SetNonblock(int(kept[0].Fd()), true)
		m.Term = &console.Terminal{Master: kept[0], Slave: kept[1], Path: kept[1].Name()}
	}
	if r.IPType == exclusive {
		m.Netns, _ = os.Open("/proc/" + strconv.Itoa(r.PID) + "/ns/net")
	}
	return m, m.adoptDelegation()
}

const exclusive = "exclusive"

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"zones/internal/cli"
	"zones/internal/delegns"
	"zones/internal/zfs"
)

// exitNotRun is the status of a run whose command was never started.
const exitNotRun = 125

func runCommand() *cobra.Command {
	var name string
	var resources []string
	c := &cobra.Command{
		Use:   "run [-n NAME] [-g RES]... -- CMD [ARG...]",
		Short: "Run CMD as root of a new user namespace in a new delegation namespace",
		Args:  operands(1, many),
		RunE: func(c *cobra.Command, args []string) error {
			if !c.Flags().Changed("name") {
				name = fmt.Sprintf("run-%d", os.Getpid())
			}
			return runIn(name, resources, args)
		},
	}
	c.Flags().SetInterspersed(false)
	c.Flags().StringVarP(&name, "name", "n", "", "the namespace's name (run-PID)")
	c.Flags().StringArrayVarP(&resources, "grant", "g", nil, "grant this resource")
	return c
}

// runIn makes the namespace, starts the command's first process, gives it what
// it is to have, and lets it go. Its exit status comes as a statusError.
func runIn(name string, resources, argv []string) error {
	var grants [][2]string
	for _, r := range resources {
		consumer, resource, err := delegns.ParseResource(r)
		if err != nil {
			return usageError{err}
		}
		grants = append(grants, [2]string{consumer, resource})
	}
	d, err := delegns.Open()
	if err != nil {
		return err
	}
	defer d.Close()
	ns, err := d.Create(name)
	if err != nil {
		return err
	}
	defer ns.Close()
	defer ns.Destroy()
	// Not by the map of ids: a zone can have all of them, too.
	v, err := d.Version()
	if err != nil {
		return err
	}
	onHost := v.Self == delegns.Global

	// The first process is to die with this one, and the kernel means the
	// thread that started it.
	runtime.LockOSThread()
	first, letGo, err := startInit(argv, onHost)
	if err != nil {
		return err
	}
	defer letGo.Close()
	if err := prepare(ns, first.Process.Pid, grants, onHost); err != nil {
		_ = first.Process.Kill()
		_ = first.Wait()
		return err
	}
	return await(first, letGo)
}

// startInit starts the first process, which waits for a byte from letGo.
func startInit(argv []string, onHost bool) (first *exec.Cmd, letGo *os.File, err error) {
	uids, gids, err := idMaps(onHost)
	if err != nil {
		return nil, nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("find this program: %w", err)
	}
	wait, letGo, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	defer wait.Close()
	first = exec.Command(self)
	first.Args = append([]string{initName}, argv...)
	first.Stdin, first.Stdout, first.Stderr = os.Stdin, os.Stdout, os.Stderr
	first.ExtraFiles = []*os.File{wait}
	first.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:                 syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		UidMappings:                uids,
		GidMappings:                gids,
		GidMappingsEnableSetgroups: os.Geteuid() == 0,
		Credential:                 &syscall.Credential{NoSetGroups: os.Geteuid() != 0},
		Pdeathsig:                  syscall.SIGKILL,
	}
	if err := first.Start(); err != nil {
		letGo.Close()
		return nil, nil, fmt.Errorf("start in a new user namespace: %w", err)
	}
	return first, letGo, nil
}

// prepare attaches the first process's user namespace and grants it what it is
// to have.
func prepare(ns *delegns.NS, pid int, grants [][2]string, onHost bool) error {
	if err := attachFile(ns, fmt.Sprintf("/proc/%d/ns/user", pid)); err != nil {
		return err
	}
	for _, g := range grants {
		if err := ns.Grant(g[0], g[1]); err != nil {
			return err
		}
		// What is refused is not taken off the host's mounts. Inside a namespace
		// it is the host's to set, and has been.
		if g[0] == "zfs" && onHost && cli.Privileged() {
			if err := setZoned(g[1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// setZoned sets zoned=on on the dataset itself, where OpenZFS's guard of its
// limits looks for it. It stays set: what was in the hands of a namespace is
// not mounted by the host unasked.
func setZoned(dataset string) error {
	ctx := context.Background()
	props, err := zfs.Get(ctx, dataset, "zoned")
	if err != nil {
		return err
	}
	if p := props["zoned"]; p.Value == "on" && p.Local() {
		return nil
	}
	return zfs.Set(ctx, dataset, "zoned=on")
}

// await lets the first process go and waits for its end. Signals from the
// terminal reach the command by themselves; others are passed on.
func await(first *exec.Cmd, letGo *os.File) error {
	signals := catch()
	if _, err := letGo.Write([]byte{1}); err != nil {
		_ = first.Process.Kill()
		_ = first.Wait()
		return fmt.Errorf("let the command go: %w", err)
	}
	go func() {
		for s := range signals {
			if s != syscall.SIGINT && s != syscall.SIGQUIT {
				_ = first.Process.Signal(s)
			}
		}
	}()
	err := first.Wait()
	var exit *exec.ExitError
	if err == nil || !errors.As(err, &exit) {
		return err
	}
	return statusError(statusOf(exit.Sys().(syscall.WaitStatus)))
}

// catch catches the signals that a run outlives. What nohup(1) or a shell had
// ignored stays so: once caught, it would not be for the command either.
func catch() <-chan os.Signal {
	signals := make(chan os.Signal, 8)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	return signals
}

// statusOf is a wait status as shells show it.
func statusOf(w syscall.WaitStatus) int {
	if w.Signaled() {
		return 128 + int(w.Signal())
	}
	return w.ExitStatus()
}

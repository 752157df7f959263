// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"zones/internal/cli"
)

// initName is argv[0] of the first process of a run.
const initName = "delegns-init"

// The statuses of a command that cannot be started, as shells have them.
const (
	exitCannotExec = 126
	exitNotFound   = 127
)

// initMain is the first process of a run, pid 1 of its namespaces: it waits
// until it has been given everything, shows the new processes in /proc, runs
// the command, and collects what that leaves behind. Its parent maps the
// statuses and passes signals on.
func initMain() int {
	say := &cli.Speaker{Program: "delegns", Out: os.Stdout, Err: os.Stderr}
	signals := catch()
	wait := os.NewFile(3, "wait")
	if n, _ := wait.Read(make([]byte, 1)); n != 1 {
		return exitNotRun // the parent gave up, and has said why
	}
	wait.Close()
	// Mounts of the command stay its own. Where a new /proc is not allowed
	// (something hides a part of the old one), the old one has to do.
	_ = unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, "")
	_ = unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")

	path, err := exec.LookPath(os.Args[1])
	if err != nil {
		say.Plain("run: " + err.Error())
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return exitNotFound
		}
		return exitCannotExec
	}
	p, err := os.StartProcess(path, os.Args[1:], &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		say.Plain("run: " + err.Error())
		return exitCannotExec
	}
	go func() {
		for s := range signals {
			if s != syscall.SIGINT && s != syscall.SIGQUIT {
				_ = p.Signal(s)
			}
		}
	}()
	for {
		var w syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &w, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			say.Plain("run: wait: " + err.Error())
			return exitNotRun
		case pid == p.Pid:
			return statusOf(w)
		}
	}
}

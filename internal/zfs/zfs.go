// SPDX-License-Identifier: Apache-2.0

// Package zfs is the only one that speaks with ZFS: by zfs(8), and for the few
// questions that every boot asks with its module. It turns the answers into
// values and typed errors; it knows no zone and decides nothing about datasets.
package zfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
)

// The reasons for which zfs refuses, as far as a caller may want to choose by
// them.
var (
	ErrNotFound   = errors.New("dataset does not exist")
	ErrExists     = errors.New("dataset already exists")
	ErrBusy       = errors.New("dataset is busy")
	ErrDependents = errors.New("dataset has dependents")
	ErrPermission = errors.New("permission denied")
	ErrSpace      = errors.New("out of space")
	ErrReadOnly   = errors.New("pool or dataset is read-only")
	ErrSuspended  = errors.New("pool I/O is suspended")
	ErrInvalid    = errors.New("invalid argument")
	ErrNoDevice   = errors.New("/dev/zfs or the ZFS module is missing")
	ErrNoCommand  = errors.New("zfs is not installed")
	ErrOther      = errors.New("zfs failed")
)

// Error is a call of zfs that failed.
type Error struct {
	Verb   string // subcommand
	Object string // dataset, snapshot or path it was about
	Reason error  // one of the reasons above
	Text   string // what zfs said last, without its name
}

func (e *Error) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("zfs %s %s: %v", e.Verb, e.Object, e.Reason)
	}
	return fmt.Sprintf("zfs %s %s: %s", e.Verb, e.Object, e.Text)
}

func (e *Error) Unwrap() error { return e.Reason }

// Said is the reason in the words of zfs: what follows the last colon of its
// message.
func (e *Error) Said() string {
	if i := strings.LastIndex(e.Text, ": "); i >= 0 {
		return e.Text[i+2:]
	}
	if e.Text != "" {
		return e.Text
	}
	return e.Reason.Error()
}

// Said is the reason of err in the words of zfs, or err itself.
func Said(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Said()
	}
	return err.Error()
}

// samples maps what zfs says, of releases 2.1 to 2.4, to reasons. The first
// that occurs in a message counts.
var samples = []struct {
	text   string
	reason error
}{
	{"does not exist", ErrNotFound},
	{"could not find any snapshots to destroy", ErrNotFound},
	{"already exists", ErrExists},
	{"has children", ErrDependents},
	{"has dependent clones", ErrDependents},
	{"snapshot has dependent", ErrDependents},
	{"is busy", ErrBusy},
	{"target is busy", ErrBusy},
	{"permission denied", ErrPermission},
	{"Permission denied", ErrPermission},
	{"out of space", ErrSpace},
	{"no space left", ErrSpace},
	{"quota exceeded", ErrSpace},
	{"suspended", ErrSuspended},
	{"read only", ErrReadOnly},
	{"read-only", ErrReadOnly},
	{"ZFS modules", ErrNoDevice},
	{"/dev/zfs", ErrNoDevice},
	{"invalid", ErrInvalid},
	{"bad property", ErrInvalid},
}

// classify makes the error for a failed call out of what it wrote.
func classify(verb, object, stderr string, err error) error {
	text := strings.TrimSpace(stderr)
	reason := ErrOther
	for _, s := range samples {
		if strings.Contains(text, s.text) {
			reason = s.reason
			break
		}
	}
	if line, _, ok := strings.Cut(text, "\n"); ok {
		text = line
	}
	if text == "" && err != nil {
		text = err.Error()
	}
	return &Error{Verb: verb, Object: object, Reason: reason, Text: text}
}

// places are where packages put zfs; PATH may be empty.
var places = []string{"/usr/sbin/zfs", "/sbin/zfs", "/usr/bin/zfs", "/usr/local/sbin/zfs"}

// program finds zfs(8).
func program() (string, error) {
	for _, p := range places {
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			return p, nil
		}
	}
	return "", ErrNoCommand
}

// Available returns nil when zfs can be called: the command, the module and
// its device are there.
func Available() error {
	if _, err := program(); err != nil {
		return err
	}
	if _, err := os.Stat("/dev/zfs"); err != nil {
		return ErrNoDevice
	}
	return nil
}

// endless are the subcommands that take as long as there is something to read
// or write. They are ended with ctx; the others go on to their end, since what
// they leave halfway, such as a file system that is not mounted, is not found
// again.
var endless = []string{"receive", "list", "get"}

// command prepares a call. The words are in English whatever the caller's
// language, no terminal is asked for keys, and its signals are for the caller.
func command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	path, err := program()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args...)
	if slices.Contains(endless, args[0]) {
		cmd = exec.CommandContext(ctx, path, args...)
	}
	cmd.ExtraFiles = inherited(args[0])
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd.Dir = "/"
	return cmd, nil
}

// run calls zfs and returns its output. The object is named in the error.
func run(ctx context.Context, object string, args ...string) (string, error) {
	return pipe(ctx, nil, object, args...)
}

func pipe(ctx context.Context, in io.Reader, object string, args ...string) (string, error) {
	cmd, err := command(ctx, args...)
	if err != nil {
		return "", err
	}
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &errs
	if err := call(ctx, cmd, object, &errs); err != nil {
		return "", err
	}
	return out.String(), nil
}

// call runs a command whose messages go to errs. When it fails because it does
// not end, what it reads and writes is in use for longer than the call.
func call(ctx context.Context, cmd *exec.Cmd, object string, errs *bytes.Buffer) error {
	verb := cmd.Args[1]
	if err := cmd.Start(); err != nil {
		return classify(verb, object, "", err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	err := await(ctx, done, operands(cmd.Args[1:]))
	var suspended *SuspendedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &suspended):
		_ = cmd.Process.Kill()
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return classify(verb, object, errs.String(), err)
}

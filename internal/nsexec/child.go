// SPDX-License-Identifier: Apache-2.0

package nsexec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// AwaitMark waits until the child reaches its next mark and returns the value
// marked. A child that failed gives its *CallError; one that ended or became
// another program gives io.EOF.
func (c *Child) AwaitMark(ctx context.Context) (uint64, error) {
	var r report
	b := unsafe.Slice((*byte)(unsafe.Pointer(&r)), reportSize)
	stop := deadline(ctx, c.Status)
	defer stop()
	for {
		_, err := io.ReadFull(c.Status, b)
		switch {
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case err != nil:
			return 0, err
		case r.mark == 1:
			return r.value, nil
		}
		call := "unknown call"
		if table, i := int(r.index>>16), int(r.index&0xffff); table < len(c.names) && i < len(c.names[table]) {
			call = c.names[table][i]
		}
		failed := &CallError{call, syscall.Errno(r.value)}
		if r.mark == 0 {
			return 0, failed
		}
		c.Noted = append(c.Noted, failed)
	}
}

// AwaitExec waits until the child has become its program, or returns why not.
func (c *Child) AwaitExec(ctx context.Context) error {
	for {
		_, err := c.AwaitMark(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Kill ends the child and forgets it. One that does not end, because the kernel
// or a process that traces it keeps it, is forgotten all the same.
func (c *Child) Kill() error {
	err := unix.PidfdSendSignal(int(c.PIDFD.Fd()), unix.SIGKILL, nil, 0)
	if err == nil || errors.Is(err, unix.ESRCH) {
		_, err = await(c.waiting())
	}
	return errors.Join(err, c.Close())
}

// Wait waits for the end of the child.
func (c *Child) Wait() (syscall.WaitStatus, error) {
	if c.keeper != nil {
		return c.keeper.kept()
	}
	return c.wait()
}

// kept is the status of a child that c is the keeper of. A keeper that was
// killed took the status along: what kills a keeper, with its cgroup, kills the
// child.
func (c *Child) kept() (syscall.WaitStatus, error) {
	b := make([]byte, 4)
	_, err := io.ReadFull(c.ended, b)
	c.leave.Close()
	if _, werr := c.wait(); werr != nil {
		return 0, werr
	}
	if err != nil {
		return syscall.WaitStatus(unix.SIGKILL), nil
	}
	return syscall.WaitStatus(waitStatus(b)), nil
}

// end kills a keeper that has no child.
func (c *Child) end() error {
	closeFiles([]*os.File{c.ended, c.leave})
	return c.Kill()
}

func (c *Child) wait() (syscall.WaitStatus, error) {
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(c.PID, &status, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("wait for process %d: %w", c.PID, err)
		}
		return status, nil
	}
}

// Close closes the descriptors of the child, which goes on.
func (c *Child) Close() error {
	err := errors.Join(c.PIDFD.Close(), c.Status.Close())
	if c.keeper != nil {
		closeFiles([]*os.File{c.keeper.PIDFD, c.keeper.ended, c.keeper.leave})
	}
	return err
}

// deadline makes reads of f fail when ctx ends; the caller calls stop.
func deadline(ctx context.Context, f *os.File) (stop func()) {
	after := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	return func() { after() }
}

// WaitFor is Wait that gives up, and kills the child, when ctx ends. A child
// that the kernel keeps from dying is not waited for.
func (c *Child) WaitFor(ctx context.Context) (syscall.WaitStatus, error) {
	ended := c.waiting()
	select {
	case e := <-ended:
		return e.status, e.err
	case <-ctx.Done():
	}
	_ = unix.PidfdSendSignal(int(c.PIDFD.Fd()), unix.SIGKILL, nil, 0)
	status, err := await(ended)
	return status, errors.Join(err, ctx.Err())
}

// end is what waiting for a child gave.
type end struct {
	status syscall.WaitStatus
	err    error
}

// waiting waits for the child on the side.
func (c *Child) waiting() <-chan end {
	ended := make(chan end, 1)
	go func() {
		status, err := c.Wait()
		ended <- end{status, err}
	}()
	return ended
}

// errStays is a child that was killed and did not end.
var errStays = errors.New("the process does not end")

// await is the end of a child that has been killed, if it comes soon.
func await(ended <-chan end) (syscall.WaitStatus, error) {
	select {
	case e := <-ended:
		return e.status, e.err
	case <-time.After(time.Second):
		return 0, errStays
	}
}

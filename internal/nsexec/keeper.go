// SPDX-License-Identifier: Apache-2.0

package nsexec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Keeper is the parent of a first process, and what the two share with us.
type Keeper struct {
	PID     int // of the keeper
	InitPID int // of the first process
	// Numbers are the keeper's descriptors by which Adopt finds them: go, exit
	// and status, then those of Init.Keep.
	Numbers []int

	child  *Child   // PIDFD is the keeper's
	maps   *os.File // write: id maps are set
	goes   *os.File // write: what to become
	commit *os.File // write: the keeper is written down
	exit   *os.File // read: wait status of the first process
}

// Descriptors of a keeper, as places in Numbers.
const (
	keptGo = iota
	keptExit
	keptStatus
	// KeptOwn is the first of Init.Keep.
	KeptOwn
)

// Adopt takes over a keeper from a supervisor that died: pidfd is of the
// keeper, and numbers are the Numbers it had. It returns the descriptors of
// Init.Keep too.
func Adopt(pidfd *os.File, keeperPID, initPID int, numbers []int) (*Keeper, []*os.File, error) {
	if len(numbers) < KeptOwn {
		return nil, nil, errors.New("adopt keeper: descriptors missing")
	}
	files := make([]*os.File, len(numbers))
	for i, n := range numbers {
		fd, err := unix.PidfdGetfd(int(pidfd.Fd()), n, 0)
		if err != nil {
			closeFiles(files)
			return nil, nil, fmt.Errorf("adopt keeper: %w", err)
		}
		if i == keptExit || i == keptStatus {
			_ = unix.SetNonblock(fd, true)
		}
		files[i] = os.NewFile(uintptr(fd), "kept")
	}
	k := &Keeper{PID: keeperPID, InitPID: initPID, Numbers: numbers, goes: files[keptGo], exit: files[keptExit],
		child: &Child{PID: keeperPID, PIDFD: pidfd, Status: files[keptStatus]}}
	return k, files[KeptOwn:], nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// Map tells the first process that its id maps are set, and waits until it
// has made its mounts and waits for Go.
func (k *Keeper) Map(ctx context.Context) error {
	if _, err := k.maps.Write([]byte{0}); err != nil {
		return fmt.Errorf("prepare first process: %w", err)
	}
	if _, err := k.child.AwaitMark(ctx); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it ended")
		}
		return fmt.Errorf("prepare first process: %w", err)
	}
	return nil
}

// Commit lets the keeper and its child outlive us.
func (k *Keeper) Commit() error {
	if _, err := k.commit.Write([]byte{0}); err != nil {
		return fmt.Errorf("commit first process: %w", err)
	}
	return nil
}

// Go lets the first process become path with argv, and returns when it has.
// The keeper must have been committed, or the end of the wait is never seen.
// One that was told before, by a supervisor that died, is only waited for.
func (k *Keeper) Go(ctx context.Context, path string, argv []string) error {
	if err := SendExec(int(k.goes.Fd()), path, argv); err != nil && !errors.Is(err, unix.EPIPE) {
		return err
	}
	if err := k.child.AwaitExec(ctx); err != nil {
		return fmt.Errorf("start %s: %w", path, err)
	}
	return nil
}

// Gone reports whether the first process has become what it was told to, or
// ended.
func (k *Keeper) Gone() bool {
	set := []unix.PollFd{{Fd: int32(k.child.Status.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(set, 0)
	return err == nil && n == 1 && set[0].Revents&(unix.POLLIN|unix.POLLHUP) == unix.POLLHUP
}

// ExitFD is readable when the first process has ended.
func (k *Keeper) ExitFD() *os.File { return k.exit }

// Files are the descriptors of ours that belong to the keeper, to be kept over
// an exec, and the names FromFiles knows them by.
func (k *Keeper) Files() []*os.File { return []*os.File{k.goes, k.exit, k.child.Status, k.child.PIDFD} }

// FromFiles is a keeper again from its Files.
func FromFiles(keeperPID, initPID int, numbers []int, files []*os.File) *Keeper {
	return &Keeper{PID: keeperPID, InitPID: initPID, Numbers: numbers, goes: files[0], exit: files[1],
		child: &Child{PID: keeperPID, Status: files[2], PIDFD: files[3]}}
}

// ExitStatus is the wait status of the first process. It waits for it.
func (k *Keeper) ExitStatus(ctx context.Context) (syscall.WaitStatus, error) {
	stop := deadline(ctx, k.exit)
	defer stop()
	b := make([]byte, 4)
	if _, err := io.ReadFull(k.exit, b); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return 0, fmt.Errorf("wait for first process: %w", err)
	}
	return syscall.WaitStatus(waitStatus(b)), nil
}

// Kill ends the keeper, which is all that is left of the first process when
// that has ended, and closes what we share with it.
func (k *Keeper) Kill() error {
	err := unix.PidfdSendSignal(int(k.child.PIDFD.Fd()), unix.SIGKILL, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		err = nil
	}
	// It is a child of ours unless it was adopted.
	var status syscall.WaitStatus
	for {
		if _, werr := syscall.Wait4(k.PID, &status, 0, nil); !errors.Is(werr, syscall.EINTR) {
			break
		}
	}
	k.Close()
	return err
}

// Close closes what we share with the keeper, which goes on.
func (k *Keeper) Close() {
	closeFiles([]*os.File{k.maps, k.goes, k.commit, k.exit, k.child.PIDFD, k.child.Status})
}

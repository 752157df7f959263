// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"zones/internal/control"
	"zones/internal/zone"
)

// A step is one part of a verb that changes something. A verb that is
// interrupted between two steps, or in one, leaves a state that the next verb
// can go on from.
type step struct {
	name string
	do   func(ctx context.Context) error
}

// killEnv names a step by its verb and number, as VERB.N, before which zoneadm
// kills itself: so tests visit every place in which it can be cut off.
const killEnv = control.KillEnv

// walk carries out the steps of a verb in order until one fails.
func walk(ctx context.Context, verb zone.Verb, steps []step) error {
	kill := os.Getenv(killEnv)
	for i, s := range steps {
		if kill == verb.String()+"."+strconv.Itoa(i) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// durable waits until what was written below path is on disk. A state that
// calls a zone whole is written down after that, so that it is true after a
// loss of power as well.
func durable(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Syncfs(fd)
		unix.Close(fd)
	}
	if err != nil {
		return subject(path, bareErr(err))
	}
	return nil
}

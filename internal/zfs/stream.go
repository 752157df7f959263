// SPDX-License-Identifier: Apache-2.0

package zfs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
)

// send writes the stream of a snapshot to w.
func send(ctx context.Context, snapshot string, w io.Writer) error {
	cmd, err := command(ctx, "send", snapshot)
	if err != nil {
		return err
	}
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &errs
	return call(ctx, cmd, snapshot, &errs)
}

// Receive makes a file system that does not exist yet out of a stream. It is
// not mounted, and of the properties that the stream brings none that could
// act on this machine is taken over: where it is mounted, what it shares,
// whether programs and devices in it count, and where keys come from.
func Receive(ctx context.Context, r io.Reader, name string, props ...string) error {
	args := []string{"receive", "-u"}
	for _, p := range []string{"mountpoint", "canmount", "sharenfs", "sharesmb", "zoned", "overlay",
		"setuid", "devices", "exec", "readonly", "quota", "refquota", "reservation", "refreservation"} {
		// A property is either set or left out; zfs(8) takes no word for both.
		if !slices.ContainsFunc(props, func(set string) bool { return strings.HasPrefix(set, p+"=") }) {
			args = append(args, "-x", p)
		}
	}
	args = append(options(args, props), name)
	_, err := pipe(ctx, r, name, args...)
	return err
}

// Copy sends a snapshot into a new file system.
func Copy(ctx context.Context, snapshot, name string, progress func(n int64), props ...string) error {
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sent := make(chan error, 1)
	go func() {
		err := send(ctx, snapshot, &counter{w: w, tell: progress})
		_ = w.CloseWithError(err)
		sent <- err
	}()
	err := Receive(ctx, r, name, props...)
	_ = r.CloseWithError(io.ErrClosedPipe)
	if sendErr := <-sent; sendErr != nil && !errors.Is(sendErr, io.ErrClosedPipe) && err == nil {
		return sendErr
	}
	return err
}

type counter struct {
	w    io.Writer
	tell func(int64)
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if c.tell != nil {
		c.tell(int64(n))
	}
	return n, err
}

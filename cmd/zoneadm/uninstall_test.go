// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zones/internal/cli"
)

// A question at a terminal that is not answered ends with the interrupt key.
func TestConfirmInterrupted(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	e := &env{say: &cli.Speaker{Out: io.Discard, Err: io.Discard}, in: in, zone: "z1"}
	ctx, cancel := context.WithCancel(context.Background())
	type answer struct {
		yes bool
		err error
	}
	got := make(chan answer, 1)
	go func() {
		yes, err := e.confirm(ctx)
		got <- answer{yes, err}
	}()
	cancel()
	select {
	case a := <-got:
		if a.yes || !errors.Is(a.err, context.Canceled) {
			t.Errorf("%v, %v", a.yes, a.err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on waiting for an answer")
	}
}

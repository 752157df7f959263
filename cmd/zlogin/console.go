// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"zones/internal/cli"
	"zones/internal/control"
	"zones/internal/store"
)

// console joins the user's terminal and the zone's console, which outlives
// halt and boot. Nobody is logged in by this.
func (t *target) console(ctx context.Context, o *options, stdin *os.File, say *cli.Speaker) (int, error) {
	conn, recovered, err := control.Starter{Lock: t.lock}.Connect(ctx, t.name)
	if err != nil {
		return 0, consoleError(err, say)
	}
	defer conn.Close()
	if recovered {
		say.Bare(control.Recovered(t.name, t.state))
	}
	stream, err := conn.Console(ctx, o.disconnect)
	if err != nil {
		return 0, consoleError(err, say)
	}
	defer stream.Close()
	if !o.quiet {
		say.Print(fmt.Sprintf("[Connected to zone '%s' console]", t.name))
	}
	if err := attend(o, stream, stdin, say); err != nil {
		return 0, err
	}
	if !o.quiet {
		say.Print(fmt.Sprintf("\n[Connection to zone '%s' console closed]", t.name))
	}
	return cli.ExitOK, nil
}

// lock takes the zone's administration lock.
func (t *target) lock(ctx context.Context) (unlock func(), err error) {
	l, err := store.Open("").LockZone(ctx, t.name)
	if err != nil {
		return nil, err
	}
	return func() { _ = l.Unlock() }, nil
}

func consoleError(err error, say *cli.Speaker) error {
	var busy *control.BusyError
	if errors.As(err, &busy) {
		return busy
	}
	var start *control.StartError
	if errors.As(err, &start) {
		for _, line := range start.Lines {
			say.Bare(line)
		}
		return start
	}
	return fmt.Errorf("Could not connect to zone console: %s", cli.Reason(err))
}

// attend relays between the user's terminal and the console until either ends
// or the user leaves.
func attend(o *options, stream, stdin *os.File, say *cli.Speaker) error {
	local, err := makeRaw(stdin)
	if err != nil {
		return err
	}
	stop := local.restoreOnDeath()
	defer stop()
	defer local.restore()
	left := make(chan string, 1)
	go typing(newEscaper(o, local.saved), stdin, stream, left)
	shown := make(chan error, 1)
	go func() {
		_, err := io.Copy(onlyWriter{say.Out}, onlyReader{stream})
		shown <- err
	}()
	select {
	case farewell := <-left:
		_, _ = io.WriteString(say.Out, farewell)
		return nil
	case <-shown:
		return nil
	}
}

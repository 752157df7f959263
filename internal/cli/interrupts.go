// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Interrupts are the signals that end a command early, unless what it runs is to
// have them for itself.
type Interrupts struct {
	heard   chan os.Signal
	signals []os.Signal // those that were not ignored from the beginning
	hangup  bool        // so is a hang-up
}

var interrupts = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT}

// CatchInterrupts gives a context that ends with the first of the signals. A
// hang-up ends nothing from here on.
func CatchInterrupts(parent context.Context) (context.Context, *Interrupts) {
	i := &Interrupts{make(chan os.Signal, 1), Heard(interrupts...), !signal.Ignored(syscall.SIGHUP)}
	// Nobody reads this one: it keeps the signals from ending the process while
	// they are not heard.
	notify(make(chan os.Signal), i.signals)
	notify(i.heard, i.signals)
	signal.Ignore(syscall.SIGHUP)
	ctx, cancel := context.WithCancel(parent)
	go func() {
		<-i.heard
		cancel()
	}()
	return ctx, i
}

// Hold leaves the signals, and hang-ups, to a program until release: all of them
// have their usual effect on that, and none on the context.
func (i *Interrupts) Hold() (release func()) {
	signal.Stop(i.heard)
	// What is ignored stays ignored in programs that are started; what is caught
	// does not.
	unheard := make(chan os.Signal, 1)
	notify(unheard, i.signals)
	if i.hangup {
		signal.Notify(unheard, syscall.SIGHUP)
	}
	return func() {
		signal.Ignore(syscall.SIGHUP)
		signal.Stop(unheard) // when it returns, no signal is on its way any more
		notify(i.heard, i.signals)
	}
}

// notify is signal.Notify that takes no signals for none, and not for all.
func notify(c chan<- os.Signal, signals []os.Signal) {
	if len(signals) > 0 {
		signal.Notify(c, signals...)
	}
}

// Heard are those of signals that this process is not to ignore: a shell starts
// what it puts into the background so, and to catch one would undo that.
func Heard(signals ...os.Signal) []os.Signal {
	var heard []os.Signal
	for _, s := range signals {
		if !signal.Ignored(s) {
			heard = append(heard, s)
		}
	}
	return heard
}

// SPDX-License-Identifier: Apache-2.0

// Host is the host's half of tests/vm/run: it starts QEMU, hands the
// guest its job, passes input and output on and returns the command's status.
// It builds nothing; tests/vm/build names what it boots.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"zones/tests/vm/wire"
)

// Exit statuses that are not the command's own.
const (
	exitFault    = 123 // the kernel complained, or the guest died or went silent
	exitOverTime = 124 // the command ran longer than it may
	exitNoGuest  = 125 // no guest could be had, or the call was wrong
	exitSignal   = 128 // and the number of the signal that stopped us
)

// options are what the command line and tests/vm/run's shell half say.
type options struct {
	release   string
	limit     int // seconds, 0 for none
	memory    int // MiB
	cpus      int
	dir       string
	quiet     bool
	artifacts string // what tests/vm/build printed: lines of name=path
	cache     string
	argv      []string
}

const usage = `usage: tests/vm/run [-k RELEASE] [-t SECONDS] [-m MEGABYTES] [-c CPUS] [-d DIR] [-q] -- COMMAND [ARG...]
`

func main() {
	// QEMU is to die with us, and the kernel ties that to the thread.
	runtime.LockOSThread()
	opt, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "tests/vm/run: %v\n%s", err, usage)
		os.Exit(exitNoGuest)
	}
	if opt.artifacts == "" { // only the command line was to be checked
		fmt.Println(opt.release)
		return
	}
	status, err := run(opt)
	if err != nil {
		fmt.Fprintf(os.Stderr, "tests/vm/run: %v\n", err)
	}
	os.Exit(status)
}

func parse(args []string) (options, error) {
	var opt options
	set := flag.NewFlagSet("tests/vm/run", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&opt.release, "k", "trixie", "")
	set.IntVar(&opt.limit, "t", 900, "")
	set.IntVar(&opt.memory, "m", 3072, "")
	set.IntVar(&opt.cpus, "c", min(2, runtime.NumCPU()), "")
	set.StringVar(&opt.dir, "d", "", "")
	set.BoolVar(&opt.quiet, "q", false, "")
	set.StringVar(&opt.artifacts, "artifacts", "", "")
	set.StringVar(&opt.cache, "cache", "", "")
	if err := set.Parse(args); err != nil {
		return opt, err
	}
	opt.argv = set.Args()
	switch {
	case len(opt.argv) == 0:
		return opt, errors.New("no command is given")
	case opt.limit < 0:
		return opt, fmt.Errorf("-t %d: a number of seconds is wanted, 0 for no limit", opt.limit)
	case opt.memory < 512:
		return opt, fmt.Errorf("-m %d: a guest needs 512 megabytes or more", opt.memory)
	case opt.cpus < 1:
		return opt, fmt.Errorf("-c %d: a guest needs a CPU", opt.cpus)
	}
	if opt.dir != "" {
		dir, err := filepath.Abs(opt.dir)
		if err != nil {
			return opt, err
		}
		if st, err := os.Stat(dir); err != nil || !st.IsDir() {
			return opt, fmt.Errorf("-d %s: not a directory", opt.dir)
		}
		opt.dir = dir
	}
	return opt, nil
}

func run(opt options) (int, error) {
	files, err := readArtifacts(opt.artifacts)
	if err != nil {
		return exitNoGuest, err
	}
	accel, why, err := chooseAccel(opt, files)
	if err != nil {
		return exitNoGuest, err
	}
	if !opt.quiet {
		fmt.Fprintf(os.Stderr, "tests/vm/run: %s, Linux %s, %s\n", opt.release, files["kernel-release"], why)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	// Output to a reader that has gone must not end us before QEMU.
	signal.Ignore(syscall.SIGPIPE)

	term := openTerminal()
	if err := term.raw(); err != nil {
		return exitNoGuest, err
	}
	defer term.restore()
	var o outcome
	for try := 0; try < boots; try++ {
		if o = runOnce(opt, files, accel, term, stop); !o.again {
			break
		}
	}
	term.restore()
	if !opt.quiet && o.took > 0 {
		fmt.Fprintf(os.Stderr, "tests/vm/run: status %d, ready after %.1f s, command %.1f s\n",
			o.status, o.boot.Seconds(), o.took.Seconds())
	}
	return o.status, o.err
}

// boots is how often a guest is started that dies before its command does: an
// emulated machine on a busy one can miss a timer while it starts.
const boots = 3

func runOnce(opt options, files map[string]string, accel []string, term *terminal, stop <-chan os.Signal) outcome {
	g, err := start(opt, files, accel)
	if err != nil {
		return outcome{status: exitNoGuest, err: err}
	}
	defer g.end()
	job := wire.Job{Argv: opt.argv, Share: opt.dir != "", TTY: term.interactive()}
	job.Rows, job.Columns = term.size()
	if t := os.Getenv("TERM"); t != "" {
		job.Env = append(job.Env, "TERM="+t)
	}
	if err := g.send(job); err != nil {
		return outcome{status: exitNoGuest, err: fmt.Errorf("send job: %w%s", err, g.complaints())}
	}
	out := make(chan error, 1)
	go func() { out <- g.copyOutput(os.Stdout, os.Stderr) }()
	return watch(opt, g, term, stop, out)
}

// outcome is how a run ended.
type outcome struct {
	status     int
	err        error
	again      bool // nothing of the command has happened
	boot, took time.Duration
}

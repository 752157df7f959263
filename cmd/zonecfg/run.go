// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"zones/internal/cli"
	"zones/internal/session"
	"zones/internal/zone"
)

// run is the whole program, with its streams passed in.
func run(args []string, stdin *os.File, stdout, stderr io.Writer) (status int) {
	program := "zonecfg"
	if len(args) > 0 {
		program = filepath.Base(args[0])
	}
	if inZone() {
		say(stderr, program+" can only be run from the global zone.")
		return cli.ExitError
	}
	if len(args) < 2 {
		say(stderr, session.Usage(program))
		return cli.ExitUsage
	}
	if args[1] == "help" {
		return help(program, args[2:], stdout, stderr)
	}
	o, bad := parseOptions(program, args[1:])
	if bad != nil {
		say(bad.stream(stdout, stderr), bad.text)
		return bad.status
	}
	// An interrupt drops the line that is being typed and nothing else. It is
	// caught, not ignored, so that the pager gets it.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT)

	env, done, failure := o.environment(program, stdin, stdout, stderr)
	if failure != nil {
		say(stderr, failure.text)
		return failure.status
	}
	defer done()
	return session.New(env).Run()
}

func say(w io.Writer, text string) {
	if text != "" && text[len(text)-1] != '\n' {
		text += "\n"
	}
	_, _ = io.WriteString(w, text)
}

// help runs "zonecfg help [TOPIC]", which never fails.
func help(program string, topics []string, stdout, stderr io.Writer) int {
	topic := ""
	if len(topics) > 0 {
		topic = topics[0]
	}
	text, known := session.Topic(program, topic)
	if known {
		say(stdout, text)
	} else {
		say(stderr, text)
	}
	return cli.ExitOK
}

// validTarget reports whether the name may stand behind -z: that of a zone, of
// the global zone or of a template.
func validTarget(name string) bool {
	_, err := zone.ParseName(name)
	return err == nil
}

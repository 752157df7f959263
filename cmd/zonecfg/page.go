// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/term"

	"zones/internal/cli"
)

// defaultPager is what shows long output when nobody chose another.
const defaultPager = "/usr/bin/more"

// pager shows long output to somebody who may be watching.
type pager struct {
	out, err io.Writer
	around   func(func()) // runs a program that has the terminal for itself
}

func (p *pager) show(text string) {
	command := os.Getenv("PAGER")
	if f, ok := p.out.(*os.File); command == "" && (!ok || !term.IsTerminal(int(f.Fd()))) {
		_, _ = io.WriteString(p.out, text)
		return
	}
	if command == "" {
		command = defaultPager
	}
	name, _, _ := strings.Cut(command, " ")
	if _, err := exec.LookPath(name); err != nil {
		reason := err
		if e, ok := err.(*exec.Error); ok {
			reason = e.Err
		}
		if reason == exec.ErrNotFound {
			reason = os.ErrNotExist
		}
		say(p.err, "PAGER "+command+" does not exist ("+notFound(reason)+").")
		_, _ = io.WriteString(p.out, text)
		return
	}
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(text), p.out, p.err
	run := func() { _ = cmd.Run() }
	if p.around != nil {
		p.around(run)
	} else {
		run()
	}
}

func notFound(err error) string {
	if os.IsNotExist(err) {
		return "No such file or directory"
	}
	return cli.Reason(err)
}

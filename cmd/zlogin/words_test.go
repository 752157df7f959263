// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"zones/internal/cli"
)

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		args string
		want string // what it says, without the usage line; "" for accepted
	}{
		{"z1", ""},
		{"z1 -l x", ""},
		{"-QEn z1 true", ""},
		{"-e ! z1", ""},
		{`-e \\ z1`, ""},
		{`-e \041 z1`, ""},
		{`-e xy z1`, "invalid escape character 'xy'"},
		{"-C -d z1", ""},
		{"-lroot z1 id", ""},
		{"-C -l x z1", "-l may not be specified for console login"},
		{"-C -n z1", "-n may not be specified for console login"},
		{"-C -S z1", "-S may not be specified for console login"},
		{"-S -l x z1", "-l may not be specified for failsafe login"},
		{"-d z1", "-d may only be specified with console login"},
		{"-n z1", "-n may not be specified for interactive login"},
		{"-C z1 true", "Commands may not be specified for console login."},
		{"", "usage"},
		{"-x z1", "usage: illegal option -- x"},
		{"-e", "usage: option requires an argument -- e"},
		{"-?", "usage"},
	} {
		got := ""
		if _, err := parse(strings.Fields(c.args)); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.args, got, c.want)
		}
	}
}

func TestMisuseExitsWithTwo(t *testing.T) {
	for _, args := range []string{"", "-C -n z1", "-q z1", "-d z1"} {
		var out, errs bytes.Buffer
		say := &cli.Speaker{Program: "zlogin", Out: &out, Err: &errs}
		status := run(context.Background(), strings.Fields(args), say)
		if status != 2 || out.Len() > 0 || !strings.HasSuffix(errs.String(), usage+"\n") {
			t.Errorf("%q: status %d, stdout %q, stderr %q", args, status, out.String(), errs.String())
		}
	}
}

func TestEscape(t *testing.T) {
	for _, c := range []struct {
		typed  string
		pass   string
		closed string // the farewell; "" when the user stays
	}{
		{"ls\r", "ls\r", ""},
		{"~.", "", "~."},
		{"~\x04", "", "~^D"},
		{"ls\r~.", "ls\r", "~."},
		{"ls\n~.", "ls\n", "~."},
		{"a~.", "a~.", ""},
		{"~~", "~", ""},
		{"~~.", "~.", ""},
		{"~x", "x", ""},
		{"x\x03~.", "x\x03", "~."},
		{"\r~\r~.", "\r\r", "~."},
		{"~", "", ""},
	} {
		for _, whole := range []bool{true, false} {
			e := &escaper{char: '~', enabled: true, eof: 4, starts: []byte("\r\n\x03")}
			var pass []byte
			closed := ""
			pieces := []string{c.typed}
			if !whole {
				pieces = strings.Split(c.typed, "")
			}
			for _, piece := range pieces {
				p, end, last := e.filter([]byte(piece))
				pass = append(pass, p...)
				if end {
					closed = e.farewell(last)
					break
				}
			}
			if string(pass) != c.pass || closed != c.closed {
				t.Errorf("%q: passes %q, closed by %q; want %q, %q", c.typed, pass, closed, c.pass, c.closed)
			}
		}
	}
	off := &escaper{char: '~'}
	if pass, closed, _ := off.filter([]byte("~.")); closed || string(pass) != "~." {
		t.Errorf("with -E: %q, %v", pass, closed)
	}
}

const passwd = `# comment
:x:0:0::/:/bin/sh
short:x:1:1
bad:x:-1:1::/home/bad:/bin/sh
big:x:4294967296:1::/home/big:/bin/sh
esc:x:5:5::/home/` + "\x1b" + `[2J:/bin/sh
web:x:1000:1000:Web,,,:/home/web:/bin/bash
web:x:0:0:second:/root:/bin/sh
rel:x:7:7::home:sh
long:x:8:8::/%s:/bin/sh
`

func TestFindUser(t *testing.T) {
	file := fmt.Sprintf(passwd, strings.Repeat("x", 2000))
	for user, want := range map[string]string{
		"web": "1000:1000:/home/web:/bin/bash", "rel": "7:7:/:/bin/sh",
		"": "", "short": "", "bad": "", "big": "", "esc": "", "long": "", "none": "",
	} {
		got := ""
		if a := findUser(file, user); a != nil && user != "" {
			got = fmt.Sprintf("%d:%d:%s:%s", a.uid, a.gid, a.home, a.shell)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", user, got, want)
		}
	}
}

func TestFindGroups(t *testing.T) {
	file := "root:x:0:\nwww:x:33:a,web\nadm:x:4:web,b\nhuge:x:70000:web\nneg:x:-3:web\nwww2:x:33:web\nbroken:x\n"
	if got, want := findGroups(file, "web", 1000, 65536), []uint32{1000, 33, 4}; !slices.Equal(got, want) {
		t.Errorf("groups %v, want %v", got, want)
	}
	many := strings.Builder{}
	for i := range 1000 {
		fmt.Fprintf(&many, "g%d:x:%d:web\n", i, i)
	}
	if got := findGroups(many.String(), "web", 1, 65536); len(got) != maxGroups {
		t.Errorf("%d groups", len(got))
	}
}

func TestLocale(t *testing.T) {
	text := "# comment\nLANG=POSIX\nexport LC_TIME='de_DE.UTF-8'\n LANG=\"C.UTF-8\" \nLD_PRELOAD=/x\nLC_ALL=$(id)\n" +
		"LC_x=a\nLC_PAPER=a\x1b\nLANGUAGE=de:en\nLANG\n"
	want := []string{"LC_TIME=de_DE.UTF-8", "LANG=C.UTF-8", "LANGUAGE=de:en"}
	if got := parseLocale(text); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	many := strings.Builder{}
	for i := range 1000 {
		fmt.Fprintf(&many, "LC_%s=C\n", strings.Repeat("X", i+1))
	}
	if got := parseLocale(many.String()); len(got) != maxLocale {
		t.Errorf("%d variables", len(got))
	}
}

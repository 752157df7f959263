// SPDX-License-Identifier: Apache-2.0

package entrypoint

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	if Exists(dir) {
		t.Error("an empty folder has an entry point")
	}
	if _, err := Load(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("loaded from an empty folder: %v", err)
	}
	want := &Entrypoint{Argv: []string{"nginx", "-g", "daemon off;"}, Env: []string{"A=b c"}, User: "www:www", Dir: "/srv", Stop: "SIGQUIT"}
	if err := want.Save(dir); err != nil {
		t.Fatal(err)
	}
	got, err := Load(dir)
	if err != nil || !Exists(dir) {
		t.Fatal(err)
	}
	if !slices.Equal(got.Argv, want.Argv) || !slices.Equal(got.Env, want.Env) || got.User != want.User || got.Dir != want.Dir || got.Stop != want.Stop {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := want.Save(dir); err == nil {
		t.Error("a file was overwritten")
	}
}

func TestMalformed(t *testing.T) {
	for _, e := range []Entrypoint{{}, {Argv: []string{""}}, {Argv: []string{"a\x00b"}}, {Argv: []string{"a"}, Env: []string{"A=\x00"}}} {
		if err := e.Save(t.TempDir()); !errors.Is(err, ErrMalformed) {
			t.Errorf("%+v: %v", e, err)
		}
	}
	for _, text := range []string{"", "[]", `{"argv":"x"}`, `{"argv":[]}`, strings.Repeat(" ", maxFile+1)} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, File), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	// A FIFO blocks nobody, and a link is not followed.
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, File), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || Exists(dir) {
		t.Error("a FIFO was taken")
	}
	dir = t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, File)); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); !errors.Is(err, syscall.ELOOP) || Exists(dir) {
		t.Errorf("a link was followed: %v", err)
	}
}

func TestSignal(t *testing.T) {
	for text, want := range map[string]unix.Signal{
		"": unix.SIGTERM, "SIGQUIT": unix.SIGQUIT, "quit": unix.SIGQUIT, "3": unix.SIGQUIT,
		"SIGRTMIN+3": 37, "RTMIN+3": 37, "SIGNONE": unix.SIGTERM, "0": unix.SIGTERM, "-9": unix.SIGTERM, "99": unix.SIGTERM,
	} {
		if got := (&Entrypoint{Stop: text}).Signal(); got != want {
			t.Errorf("%q is signal %d, want %d", text, got, want)
		}
	}
}

func TestAccount(t *testing.T) {
	dir := t.TempDir()
	passwd, group := filepath.Join(dir, "passwd"), filepath.Join(dir, "group")
	files := map[string]string{
		passwd: "broken\nroot:x:0:0:root:/root:/bin/sh\nwww:x:33:33:www:/srv:/bin/false\nodd:x:-4:0::/:\n",
		group:  "root:x:0:\nwww:x:33:\nssl:x:40:www,ann\nadm:x:4:ann\n",
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		user   string
		uid    int
		gid    int
		groups []int
		home   string
	}{
		{"", 0, 0, []int{0}, "/root"},
		{"www", 33, 33, []int{33, 40}, "/srv"},
		{"33", 33, 33, []int{33, 40}, "/srv"},
		{"www:adm", 33, 4, []int{4}, "/srv"},
		{"www:77", 33, 77, []int{77}, "/srv"},
		{"1234", 1234, 0, []int{0}, "/"},
		{"1234:1234", 1234, 1234, []int{1234}, "/"},
	} {
		a, err := (&Entrypoint{User: c.user}).account(passwd, group)
		if err != nil {
			t.Errorf("%q: %v", c.user, err)
			continue
		}
		if a.uid != c.uid || a.gid != c.gid || !slices.Equal(a.groups, c.groups) || a.home != c.home {
			t.Errorf("%q is %+v, want %+v", c.user, *a, c)
		}
	}
	for _, user := range []string{"nobody", "www:none", "odd", "-1"} {
		if a, err := (&Entrypoint{User: user}).account(passwd, group); err == nil {
			t.Errorf("%q is %+v", user, *a)
		}
	}
	// An image without these files has root even so.
	a, err := (&Entrypoint{}).account(filepath.Join(dir, "none"), filepath.Join(dir, "none"))
	if err != nil || a.uid != 0 || a.gid != 0 {
		t.Errorf("root of no files is %+v: %v", a, err)
	}
}

func TestEnvironment(t *testing.T) {
	env := merge([]string{"PATH=/bin", "TERM=linux"}, []string{"PATH=/app", "EMPTY=", "bad"})
	if want := []string{"PATH=/app", "TERM=linux", "EMPTY="}; !slices.Equal(env, want) {
		t.Errorf("got %q, want %q", env, want)
	}
	if _, err := find("no-such-program", "/bin:/usr/bin"); err == nil {
		t.Error("a program was found that is not there")
	}
	if file, err := find("sh", "/none:/bin"); err != nil || file != "/bin/sh" {
		t.Errorf("sh is %q: %v", file, err)
	}
}

func TestOnlyShell(t *testing.T) {
	for text, want := range map[string]bool{"/bin/sh": true, "bash": true, "sh -c x": false, "nginx": false} {
		if got := (&Entrypoint{Argv: strings.Fields(text)}).OnlyShell(); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

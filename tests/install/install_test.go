// SPDX-License-Identifier: Apache-2.0

// Package install holds make install to what a package of this tree contains.
// It looks at paths and modes; whether what is there works is for others.
package install

import (
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

var update = flag.Bool("update", false, "rewrite testdata/paths.golden")

// install runs make install and returns the folder it filled.
func install(t *testing.T, variables ...string) string {
	t.Helper()
	dir := t.TempDir()
	command := exec.Command("make", append([]string{"-s", "install", "DESTDIR=" + dir}, variables...)...)
	command.Dir = root
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("make install: %v\n%s", err, out)
	}
	return dir
}

// list names every file below dir with its mode.
func list(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		b.WriteString(info.Mode().String() + " " + name + "\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPaths compares what is installed with testdata/paths.golden, the list
// that a packager reads.
func TestPaths(t *testing.T) {
	dir := install(t)
	sources, err := filepath.Glob(filepath.Join(dir, "usr/src/delegns-[0-9]*"))
	if err != nil || len(sources) != 1 {
		t.Fatalf("module source: %v, %v; want one folder with its version", sources, err)
	}
	checkSource(t, sources[0])
	checkPages(t, filepath.Join(dir, "usr/share/man"))
	for _, checked := range []string{sources[0], filepath.Join(dir, "usr/share/man")} {
		if err := os.RemoveAll(checked); err != nil {
			t.Fatal(err)
		}
	}
	got := list(t, dir)
	golden := filepath.Join("testdata", "paths.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("installed:\n%s\nwant (go test ./tests/install -update writes it):\n%s", got, want)
	}
}

// checkPages looks for each page of man in its section.
func checkPages(t *testing.T, dir string) {
	t.Helper()
	pages, err := os.ReadDir(filepath.Join(root, "man"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		section := strings.TrimPrefix(filepath.Ext(page.Name()), ".")
		if _, err := os.Stat(filepath.Join(dir, "man"+section, page.Name())); err != nil {
			t.Error(err)
		}
	}
}

// checkSource holds the module's source to be all of kmod, and nothing that a
// build left there.
func checkSource(t *testing.T, dir string) {
	t.Helper()
	for line := range strings.Lines(list(t, dir)) {
		_, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, err := os.Stat(filepath.Join(root, "kmod", name)); err != nil {
			t.Error(err)
		}
	}
	err := filepath.WalkDir(filepath.Join(root, "kmod"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(filepath.Join(root, "kmod"), path)
		switch filepath.Ext(name) {
		case ".c", ".h", ".conf", "":
		default:
			return nil
		}
		if strings.HasPrefix(filepath.Base(name), ".") || strings.HasSuffix(name, ".mod.c") {
			return nil
		}
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("kmod/%s is not installed: %v", name, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestOldLayout installs where /bin is a folder of its own: clients look for
// zonename there.
func TestOldLayout(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("make", "-s", "install", "DESTDIR="+dir)
	command.Dir = root
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("make install: %v\n%s", err, out)
	}
	if info, err := os.Stat(filepath.Join(dir, "bin/zonename")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("/bin/zonename: %v, %v", info, err)
	}
}

// TestPrefix installs below another prefix, and nothing but configuration
// outside it.
func TestPrefix(t *testing.T) {
	dir := install(t, "PREFIX=/opt/zones")
	for line := range strings.Lines(list(t, dir)) {
		if _, name, _ := strings.Cut(strings.TrimSpace(line), " "); !strings.HasPrefix(name, "opt/zones/") && !strings.HasPrefix(name, "etc/zones/") {
			t.Errorf("%s is outside the prefix", name)
		}
	}
	// What is installed there finds itself there.
	for _, c := range []struct{ file, has string }{
		{"lib/systemd/system/zones.service", "ExecStart=/opt/zones/lib/zones/zones-service start\n"},
		{"lib/systemd/system/zones.service", "ExecStopPost=/opt/zones/lib/zones/zones-service stop\n"},
		{"lib/systemd/system/zones-admin.service", "ExecStart=/opt/zones/lib/zones/zones-admin\n"},
		{"lib/zones/zones-service", "\nPATH=/opt/zones/sbin:"},
		{"sbin/zoneadm", "/opt/zones/lib/zones/zoneadmd"},
		{"sbin/zoneadm", "/opt/zones/bin/zonename"},
		{"sbin/zlogin", "/opt/zones/lib/zones/zoneadmd"},
		{"lib/zones/zoneadmd", "/opt/zones/lib/zones/zonestart"},
	} {
		data, err := os.ReadFile(filepath.Join(dir, "opt/zones", c.file))
		if err != nil || !strings.Contains(string(data), c.has) {
			t.Errorf("%s: has no %q, %v", c.file, c.has, err)
		}
	}
}

// TestCompletion completes command lines with what is installed, as bash does.
// The words before the last are given, the last is what has been typed of one.
func TestCompletion(t *testing.T) {
	dir := install(t)
	index := filepath.Join(t.TempDir(), "zoneadm")
	script := "#!/bin/sh\n[ \"$1\" = list ] && printf '%s\\n' -:web:installed:/z/web -:db:configured:/z/db && exit\n" +
		"exec " + filepath.Join(dir, "usr/sbin/zoneadm") + " \"$@\"\n"
	if err := os.WriteFile(index, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ line, want string }{
		{"zoneadm -z ", "web db"},
		{"zoneadm -z web re", "ready reboot"},
		{"zoneadm -z web clone d", "db"},
		{"zoneadm -z web clone -m ", "copy"},
		{"zoneadm -z web mark ", "incomplete"},
		{"zonecfg -z w", "web"},
		{"zlogin ", "web db"},
		{"zlogin -C d", "db"},
		{"zlogin -l user ", "web db"},
		{"zlogin -l user -Q w", "web"},
		{"zlogin -luser ", "web db"},
		{"zlogin -Ql user d", "db"},
		{"zlogin -l ", ""},
		{"zlogin -Qe ", ""},
		{"zlogin web ls -l ", ""},
		{"zoneadm -z new clone -m copy w", "web"},
		{"zlogin web l", ""},
	} {
		words := strings.Split(c.line, " ")
		script := `. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _"$1"; echo "${COMPREPLY[*]}"`
		file := filepath.Join(dir, "usr/share/bash-completion/completions", words[0])
		command := exec.Command("bash", append([]string{"-c", script, "bash", file}, words...)...)
		command.Env = append(os.Environ(), "PATH="+filepath.Dir(index)+":"+os.Getenv("PATH"))
		out, err := command.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != c.want {
			t.Errorf("%q completes to %q, %v; want %q", c.line, got, err, c.want)
		}
	}
}

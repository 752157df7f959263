// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fakeTool stands for both programs that make a root: it leaves its words in
// the file args, and makes a root of one file, as an archive or a folder.
const fakeTool = `#!/bin/sh
PATH=/usr/bin:/bin
echo "${0##*/} $*" >HERE/args
[ ! -e HERE/fail ] || {
	case $0 in */debootstrap)
		mkdir -p "$4/debootstrap"
		printf 'first\ndpkg: error: x is missing\n' >"$4/debootstrap/debootstrap.log"
	esac
	echo "E: no such release" >&2
	exit 1
}
[ ! -e HERE/hang ] || { exec 9>HERE/hang; mkdir "$TMPDIR/work"; sleep 1000 & wait; }
mkdir -p HERE/root/etc && echo made >HERE/root/etc/mark
case $0 in
*/mmdebstrap) exec tar -C HERE/root -cf - . ;;
esac
exec cp -r HERE/root "$4"
`

// fakeTools has the programs looked for in a folder where only those named are.
func fakeTools(t *testing.T, names ...string) string {
	dir, before := t.TempDir(), toolPath
	t.Cleanup(func() { toolPath = before })
	toolPath = filepath.Join(dir, "bin")
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mmdebstrap", "debootstrap"} {
		mode := os.FileMode(0o644)
		if slices.Contains(names, name) {
			mode = 0o755
		}
		text := strings.ReplaceAll(fakeTool, "HERE", dir)
		if err := os.WriteFile(filepath.Join(dir, "bin", name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBootstrap(t *testing.T) {
	for _, c := range []struct{ tool, want string }{
		{"mmdebstrap", `^mmdebstrap --quiet --format=tar --variant=minbase --include=systemd-sysv,dbus,iproute2,vim sid - http://m.example/debian\n$`},
		{"debootstrap", `^debootstrap --variant=minbase --include=systemd-sysv,dbus,iproute2,vim sid /[^ ]+/root http://m.example/debian\n$`},
	} {
		t.Run(c.tool, func(t *testing.T) {
			dir := fakeTools(t, c.tool)
			opts := Options{Kind: Bootstrap, Mirror: "http://m.example/debian", Packages: []string{"vim"}}
			root := t.TempDir()
			unpack := func() error {
				s, err := Open("sid", opts)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				_, err = s.Unpack(context.Background(), root)
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, "fail"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := unpack(); err == nil || !strings.Contains(err.Error(), "E: no such release") {
				t.Fatalf("a tool that fails: %v", err)
			} else if log := strings.HasSuffix(err.Error(), "; its log ends with: dpkg: error: x is missing"); log != (c.tool == "debootstrap") {
				t.Errorf("a tool that fails: %v", err)
			}
			if err := os.Remove(filepath.Join(dir, "fail")); err != nil {
				t.Fatal(err)
			}
			if err := unpack(); err != nil {
				t.Fatal(err)
			}
			if left, _ := os.ReadDir(root); len(left) != 1 {
				t.Errorf("left in the root: %v", left)
			}
			if data, err := os.ReadFile(filepath.Join(root, "etc/mark")); err != nil || string(data) != "made\n" {
				t.Errorf("what it made: %q, %v", data, err)
			}
			args, err := os.ReadFile(filepath.Join(dir, "args"))
			if err != nil || !regexp.MustCompile(c.want).Match(args) {
				t.Errorf("it was called as %q, %v", args, err)
			}
		})
	}
}

// With a tool that is interrupted ends all that it has started, at once, and
// nothing of its work is left.
func TestBootstrapInterrupted(t *testing.T) {
	if os.Geteuid() != 0 {
		return // only root has tools set apart
	}
	for _, tool := range []string{"mmdebstrap", "debootstrap"} {
		dir := fakeTools(t, tool)
		if err := mkfifo(filepath.Join(dir, "hang")); err != nil {
			t.Fatal(err)
		}
		alive, err := openSource(filepath.Join(dir, "hang"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open("sid", Options{Kind: Bootstrap, Mirror: "http://m.example/debian"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		root, ended := t.TempDir(), make(chan error)
		go func() {
			_, err := s.Unpack(ctx, root)
			ended <- err
		}()
		for range 1000 {
			if work, _ := filepath.Glob(filepath.Join(root, ".bootstrap-*", "work")); len(work) == 1 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
		select {
		case err := <-ended:
			if err == nil {
				t.Errorf("%s: an interrupted work is none that succeeded", tool)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s goes on", tool)
		}
		if n, err := unix.Read(int(alive.Fd()), make([]byte, 1)); n != 0 || err != nil {
			t.Errorf("%s: something it started goes on: %v", tool, err)
		}
		if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
			t.Errorf("%s left %v, %v", tool, left, err)
		}
		alive.Close()
		s.Close()
	}
}

func TestBootstrapWords(t *testing.T) {
	fakeTools(t, "mmdebstrap")
	for _, c := range []struct {
		release string
		opts    Options
	}{
		{"../sid", Options{}}, {"-sid", Options{}}, {"sid", Options{Mirror: " http://m"}}, {"sid", Options{Mirror: "--x"}},
		{"sid", Options{Packages: []string{"--force"}}}, {"sid", Options{Packages: []string{"a b"}}},
	} {
		c.opts.Kind = Bootstrap
		if _, err := Open(c.release, c.opts); err == nil || errors.Is(err, ErrTool) {
			t.Errorf("%+v is taken: %v", c, err)
		}
	}
	toolPath = "/nonexistent"
	if _, err := Open("sid", Options{Kind: Bootstrap}); !errors.Is(err, ErrTool) {
		t.Errorf("without a tool: %v", err)
	}
}

// The mirror is that of the release, if apt has one, and never the one of
// security fixes.
func TestAptMirror(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"sources.list.d", "mirrors"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"sources.list":                  "# deb http://no.example/debian sid main\ndeb [signed-by=/k arch=amd64] http://one.example/debian trixie main\n",
		"sources.list.d/more.sources":   "Types: deb\nURIs: http://security.example/debian-security\nSuites: sid\nComponents: main\n\nTypes: deb\nURIs: http://two.example/debian\nSuites: sid forky\nComponents: contrib main\n",
		"sources.list.d/ignored.backup": "deb http://three.example/debian duke main\n",
		"sources.list.d/z.list":         "deb mirror+file://" + dir + "/mirrors/debian.list zurg main\ndeb mirror+file:/none zorg main\n",
		"mirrors/debian.list":           "# nearest first\n\nhttp://four.example/debian\tpriority:1\nhttp://five.example/debian\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for release, want := range map[string]string{
		"trixie": "http://one.example/debian", "forky": "http://two.example/debian", "sid": "http://two.example/debian",
		"duke": "http://one.example/debian", "zurg": "http://four.example/debian", "zorg": "",
	} {
		if got := aptMirror(dir, release); got != want {
			t.Errorf("the mirror for %s is %q, want %q", release, got, want)
		}
	}
	if got := aptMirror(t.TempDir(), "sid"); got != "" {
		t.Errorf("without sources: %q", got)
	}
}

// SPDX-License-Identifier: Apache-2.0

package brand

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"zones/internal/schema"
)

// install puts a definition below a root.
func install(t *testing.T, root, name, text string) {
	t.Helper()
	dir := filepath.Join(root, Dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.xml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestShipped(t *testing.T) {
	for _, name := range []string{Default, "lx"} {
		b, err := Find("", name)
		if err != nil {
			t.Fatal(err)
		}
		if b.Name != name || b.Init != "/sbin/init" || b.SharedOnly || b.RestartInit || b.RestartInit0 {
			t.Errorf("%+v", b)
		}
		if _, ok := b.Hook(Install, "z", "/z"); ok {
			t.Error("the shipped brands leave install to zoneadm")
		}
		shared, required, prohibited := b.Privileges(false)
		exclusive, _, _ := b.Privileges(true)
		if slices.Contains(shared, "sys_ip_config") || !slices.Contains(exclusive, "sys_ip_config") {
			t.Error("only ip-type exclusive configures its network by default")
		}
		// schema says which names are privileges.
		for _, list := range [][]string{shared, exclusive, required, prohibited} {
			if err := schema.LimitPriv.Check(strings.Join(list, ",")); err != nil || len(list) == 0 {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if !slices.Equal(Names(t.TempDir()), Names("")) || !slices.Contains(Names(""), Default) {
		t.Errorf("names %v", Names(""))
	}
}

func TestInstalledDefinition(t *testing.T) {
	root := t.TempDir()
	install(t, root, "lab", `<?xml version="1.0"?>
<!DOCTYPE brand PUBLIC "-//Sun Microsystems Inc//DTD Brands//EN" "file:///usr/share/lib/xml/dtd/brand.dtd.1">
<brand name="lab">
  <modname>lab</modname>
  <initname>/init</initname>
  <login_cmd>/bin/login -z %Z %u</login_cmd>
  <install>/usr/lib/brand/lab/install -z %z -R %R</install>
  <installopts>a:f</installopts>
  <halt></halt>
  <restartinit>true</restartinit><restartinit0>true</restartinit0>
  <forbidden resource="device"/>
  <network exclusive="no"/>
  <future><x/></future>
</brand>`)
	b, err := Find(root, "lab")
	if err != nil {
		t.Fatal(err)
	}
	if cmd, ok := b.Hook(Install, "z1", "/zones/z1"); !ok || cmd != "/usr/lib/brand/lab/install -z z1 -R /zones/z1" {
		t.Errorf("%q, %v", cmd, ok)
	}
	if _, ok := b.Hook(Halt, "z1", "/z"); ok {
		t.Error("an empty hook is a hook")
	}
	if !b.SharedOnly || !b.RestartInit || !b.RestartInit0 || b.InstallOpts != "a:f" || !b.Forbids(schema.DeviceResource) || b.Forbids(schema.FSResource) {
		t.Errorf("%+v", b)
	}
	if got := Expand(b.Login, "z1", "", "joe"); got != "/bin/login -z z1 joe" {
		t.Errorf("%q", got)
	}
	if got := Expand("100%% %x%", "z", "", ""); got != "100% " {
		t.Errorf("%q", got)
	}
	if !slices.Contains(Names(root), "lab") {
		t.Errorf("names %v", Names(root))
	}
	// What is installed stands before what is built in.
	install(t, root, Default, `<brand name="`+Default+`"><initname>/other</initname></brand>`)
	if b, err := Find(root, Default); err != nil || b.Init != "/other" {
		t.Errorf("%v, %v", b, err)
	}
}

func TestRefused(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"", "no", "../x", "a/b", ".", "lipkg", "bhyve"} {
		_, err := Find(root, name)
		var unknown *UnknownError
		if !errors.As(err, &unknown) {
			t.Errorf("%q: %v", name, err)
		} else if (unknown.Hint() != "") != (name == "lipkg" || name == "bhyve") {
			t.Errorf("%q: hint %q", name, unknown.Hint())
		}
	}
	for _, text := range []string{
		"", "x", "<brand", `<brand name="other"><initname>/i</initname></brand>`, `<zone name="bad"/>`,
		`<brand name="bad"/>`, `<brand name="bad"><initname>init</initname></brand>`,
		`<brand name="bad"><initname>/i</initname><forbidden resource="x"/></brand>`,
		`<brand name="bad"><initname>/i</initname><privilege set="some" name="a"/></brand>`,
		`<!DOCTYPE brand [<!ENTITY a "b">]><brand name="bad"><initname>/&a;</initname></brand>`,
		"<brand name=\"bad\"><initname>/i</initname>" + strings.Repeat(" ", maxDefinition) + "</brand>",
	} {
		install(t, root, "bad", text)
		b, err := Find(root, "bad")
		var unknown *UnknownError
		if err == nil || errors.As(err, &unknown) || !strings.Contains(err.Error(), "config.xml") {
			t.Errorf("%.60q: %+v, %v", text, b, err)
		}
	}
}

func TestSignal(t *testing.T) {
	for command, want := range map[string]syscall.Signal{
		"true": 0, "exit 253": 0, "exit 128": 0, "kill -9 $$": syscall.SIGKILL, "sh -c 'kill -15 $$'; exit $?": syscall.SIGTERM,
	} {
		cmd := exec.Command("/bin/sh", "-c", command)
		_ = cmd.Run()
		if got := Signal(cmd.ProcessState.Sys().(syscall.WaitStatus)); got != want {
			t.Errorf("%s: %v", command, got)
		}
	}
}

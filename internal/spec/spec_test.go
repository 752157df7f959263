// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"zones/internal/brand"
	"zones/internal/config"
	"zones/internal/mount"
	"zones/internal/schema"
	"zones/internal/zone"
)

var update = flag.Bool("update", false, "write the golden files anew")

// facts is a machine that is always the same.
func facts() Facts {
	return Facts{CgroupTop: "/sys/fs/cgroup", Controllers: []string{"cpuset", "cpu", "io", "memory", "pids"}, CPUs: 8, PageSize: 4096, LastCap: 40,
		Devices: []mount.Node{{Name: "zfs", Major: 10, Minor: 249, Mode: 0o600}, {Name: "delegns", Major: 10, Minor: 120, Mode: 0o666},
			{Name: "fuse", Major: 10, Minor: 229, Mode: 0o666}, {Name: "zvol/tank/v", Block: true, Major: 230, Mode: 0o600}, {Name: "sda", Block: true, Major: 8, Mode: 0o660}},
		Bridge:  func(link string) bool { return strings.HasPrefix(link, "br") },
		Resolve: func(host string) string { return map[string]string{"db": "10.0.0.9"}[host] },
		UUID:    zone.UUID{1, 2, 3, 4, 5, 6, 0x47, 8, 0x89, 10, 11, 12, 13, 14, 15, 16},
	}
}

type properties map[*schema.Property]string

// configured is a configuration with an id range and what else is given.
func configured(global properties, resources ...*config.Resource) *config.Config {
	c := config.New("web")
	c.Zone.SetText(schema.ZonePath.Property, "/tank/zones/web")
	c.Zone.SetText(schema.IDBase.Property, "1048576")
	for p, text := range global {
		if p.Alias != nil {
			if err := c.SetAlias(p, text); err != nil {
				panic(err)
			}
			continue
		}
		c.Zone.SetText(p, text)
	}
	for _, r := range resources {
		c.Add(r)
	}
	return c
}

func resource(t *schema.Resource, props properties, lists ...schema.Value) *config.Resource {
	r := config.NewResource(t)
	for p, text := range props {
		r.SetText(p, text)
	}
	for _, l := range lists {
		r.Set(schema.FSOptions.Property, l)
	}
	return r
}

func linux(t *testing.T) *brand.Brand {
	b, err := brand.Find("/", brand.Default)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var cases = map[string]func() *config.Config{
	"minimal": func() *config.Config { return configured(nil) },
	"storage": func() *config.Config {
		return configured(nil,
			resource(schema.DatasetResource, properties{schema.DatasetName.Property: "tank/data/web"}),
			resource(schema.DatasetResource, properties{schema.DatasetName.Property: "tank/more", schema.DatasetAlias.Property: "m"}),
			resource(schema.FSResource, properties{schema.FSDir.Property: "/srv/deep", schema.FSSpecial.Property: "/export", schema.FSType.Property: "lofs"}, texts("ro", "nodevices")),
			resource(schema.FSResource, properties{schema.FSDir.Property: "/srv", schema.FSSpecial.Property: "tank/srv", schema.FSType.Property: "zfs"}),
			resource(schema.FSResource, properties{schema.FSDir.Property: "/tmp", schema.FSSpecial.Property: "tmpfs", schema.FSType.Property: "tmpfs"}, texts("size=64m")),
			resource(schema.DeviceResource, properties{schema.DeviceMatch.Property: "/dev/zvol/*"}),
			resource(schema.DeviceResource, properties{schema.DeviceMatch.Property: "/dev/none"}))
	},
	"limits": func() *config.Config {
		return configured(properties{
			schema.MaxLWPs.Property: "500", schema.MaxShmMemory.Property: "1073741824", schema.MaxShmIDs.Property: "100", schema.MaxMsgIDs.Property: "101",
			schema.MaxSemIDs.Property: "102", schema.CPUShares.Property: "50", schema.ZFSIOPriority.Property: "20", schema.LimitPriv.Property: "default,!net_rawaccess,sys_time",
			schema.CappedCPUNCPUs.Property: "150", schema.CappedMemorySwap.Property: "1073741824", schema.CappedMemoryLocked.Property: "67108864",
			schema.HostID.Property: "deadbeef", schema.SchedulingClass.Property: "RT", schema.Pool.Property: "p",
		}, resource(schema.CappedMemoryResource, properties{schema.CappedMemoryPhysical.Property: "536870912"}),
			resource(schema.DedicatedCPUResource, properties{schema.DedicatedCPUNCPUs.Property: "2-3"}))
	},
	"shared": func() *config.Config {
		return configured(nil,
			resource(schema.NetResource, properties{schema.NetPhysical.Property: "eth0", schema.NetAddress.Property: "10.0.0.5/24", schema.NetDefrouter.Property: "10.0.0.1"}),
			resource(schema.NetResource, properties{schema.NetPhysical.Property: "eth0", schema.NetAddress.Property: "db"}),
			resource(schema.NetResource, properties{schema.NetPhysical.Property: "eth1", schema.NetAddress.Property: "2001:db8::5/64"}))
	},
	"exclusive": func() *config.Config {
		return configured(properties{schema.IPType.Property: "exclusive"},
			resource(schema.NetResource, properties{schema.NetPhysical.Property: "eth1"}),
			resource(schema.NetResource, properties{schema.NetPhysical.Property: "net0", schema.NetGlobalNIC.Property: "eth0", schema.NetMACAddr.Property: "2:8:20:1:2:3"}),
			resource(schema.NetResource, properties{schema.NetPhysical.Property: "net1", schema.NetGlobalNIC.Property: "eth0", schema.NetVLANID.Property: "7"}),
			resource(schema.NetResource, properties{schema.NetPhysical.Property: "net2", schema.NetGlobalNIC.Property: "br0", schema.NetAllowedAddress.Property: "10.1.0.2/24", schema.NetDefrouter.Property: "10.1.0.1"}))
	},
}

// TestGolden holds what a zone would be given equal to the files of testdata.
func TestGolden(t *testing.T) {
	for name, make := range cases {
		t.Run(name, func(t *testing.T) {
			z, err := New(make(), linux(t), facts())
			if err != nil {
				t.Fatal(err)
			}
			z.Process.Seccomp = nil // numbers that differ between machines
			got, err := json.MarshalIndent(readable(z), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil || string(want) != string(got)+"\n" {
				t.Errorf("%s differs (go test -update writes it): %v\n%s", file, err, got)
			}
		})
	}
}

// readable spells what is a number to the kernel.
func readable(z *Zone) any {
	caps := capNames(z.Process.Caps)
	return struct {
		*Zone
		Capabilities, Cgroupfiles []string
	}{z, caps, func() (s []string) {
		for _, l := range z.Limits.Settings() {
			s = append(s, l.File+"="+l.Value)
		}
		return s
	}()}
}

func TestProblems(t *testing.T) {
	for object, c := range map[string]*config.Config{
		"id-base":       func() *config.Config { c := configured(nil); c.Zone.Clear(schema.IDBase.Property); return c }(),
		"dedicated-cpu": configured(nil, resource(schema.DedicatedCPUResource, properties{schema.DedicatedCPUNCPUs.Property: "9"})),
		"fs /proc":      configured(nil, resource(schema.FSResource, properties{schema.FSDir.Property: "/proc", schema.FSSpecial.Property: "proc", schema.FSType.Property: "proc"})),
		"net n": configured(properties{schema.IPType.Property: "exclusive"},
			resource(schema.NetResource, properties{schema.NetPhysical.Property: "n", schema.NetVLANID.Property: "5"})),
		"net eth0": configured(nil, resource(schema.NetResource, properties{schema.NetPhysical.Property: "eth0", schema.NetAddress.Property: "unknown"})),
	} {
		_, err := New(c, linux(t), facts())
		var p *Problem
		if !errors.As(err, &p) || p.Object != object {
			t.Errorf("%s: %v", object, err)
		}
	}
	f := facts()
	f.Controllers = nil
	if _, err := New(cases["limits"](), linux(t), f); err == nil {
		t.Error("limits without controllers")
	}
}

// What is not heeded, or not as it may be meant, is said.
func TestWarnings(t *testing.T) {
	net := resource(schema.NetResource, properties{schema.NetPhysical.Property: "net0"})
	net.Set(schema.NetProperty.Property, schema.Value{{"gateway", "10.0.0.1"}})
	device := resource(schema.DeviceResource, properties{schema.DeviceMatch.Property: "/dev/fuse"})
	device.Set(schema.DeviceProperty.Property, schema.Value{{"model", "virtio"}})
	cpus := resource(schema.DedicatedCPUResource, properties{schema.DedicatedCPUNCPUs.Property: "1", schema.DedicatedCPUImportance.Property: "5"})
	z, err := New(configured(properties{schema.MaxProcesses.Property: "200", schema.CPUShares.Property: "20000", schema.ZFSIOPriority.Property: "20",
		schema.IPType.Property: "exclusive"}, net, device, cpus), linux(t), facts())
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(z.Warnings, "\n")
	for _, want := range []string{"importance of dedicated-cpu", "zfs-io-priority", "max-processes holds for each user of the zone; all of them together have 2000 threads",
		"cpu-shares above 10000", "property gateway of net net0", "property model of device /dev/fuse"} {
		if !strings.Contains(all, want) {
			t.Errorf("nothing is said of %s:\n%s", want, all)
		}
	}
}

func TestParseBootArgs(t *testing.T) {
	for text, want := range map[string]BootArgs{
		"":                        {},
		"-s":                      {Argv: []string{"-s"}},
		"-m verbose -s":           {Argv: []string{"-m", "verbose", "-s"}},
		"kernel -i /bin/sh\t-f":   {Init: "/bin/sh"},
		"-x -- foo bar":           {Argv: []string{"-x"}, Invalid: []string{"-x"}, Unused: []string{"foo", "bar"}},
		"-s foo":                  {Argv: []string{"-s"}, Unused: []string{"foo"}},
		"-sm verbose -i/bin/sh":   {Init: "/bin/sh", Argv: []string{"-s", "-m", "verbose"}},
		"-vx --unit=rescue -fmz":  {Argv: []string{"-v", "-x", "--unit=rescue", "-m", "z"}, Invalid: []string{"-v", "-x", "--unit=rescue"}},
		"-s foo -m x":             {Argv: []string{"-s"}, Unused: []string{"foo", "-m", "x"}},
		"-i":                      {Argv: []string{"-i"}, Invalid: []string{"-i"}},
		"  -v   -m  milestone=x ": {Argv: []string{"-v", "-m", "milestone=x"}, Invalid: []string{"-v"}},
	} {
		if got := ParseBootArgs(text); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"/dev/zvol/*", "/dev/zvol/tank/a", true}, {"/dev/sd[ab]", "/dev/sda", true}, {"/dev/sd?", "/dev/sda1", false},
		{"/dev/null", "/dev/null", true}, {"/dev/null", "/dev/nul", false}, {"[", "[", true}, {"[a", "[a", true}, {"", "", true}, {"", "a", false},
		{"/dev/sd[!a]", "/dev/sda", false}, {"/dev/sd[!a]", "/dev/sdb", true}, {"/dev/sd[^a-c]*", "/dev/sdb1", false},
		{"sd[[:digit:]x]", "sd7", true}, {"sd[[:digit:]x]", "sdx", true}, {"sd[[:digit:]]", "sda", false}, {"sd[![:alpha:]]", "sda", false},
		{"a[]]b", "a]b", true}, {"a[!]]b", "a]b", false}, {"a[b-]c", "a-c", true}, {`a\*b`, "a*b", true}, {`a\*b`, "axb", false}, {`[\]]`, "]", true},
		{"*a*b", "xaxbxab", true}, {"*a*b", "xaxbxa", false}, {"**", "", true}, {"a*", "a", true},
	} {
		if got := Matches(c.pattern, c.name); got != c.want {
			t.Errorf("Matches(%q, %q) = %v", c.pattern, c.name, got)
		}
	}
}

// texts makes the value of a plain list.
func texts(list ...string) schema.Value {
	v := schema.Value{}
	for _, s := range list {
		v = append(v, schema.Item{s})
	}
	return v
}

// capNames spells a bounding set.
func capNames(set uint64) []string {
	var names []string
	for bit := 0; bit < 64; bit++ {
		if set&(1<<bit) == 0 {
			continue
		}
		name := fmt.Sprintf("cap_%d", bit)
		for n, b := range capabilities {
			if b == bit {
				name = "cap_" + n
			}
		}
		names = append(names, name)
	}
	return names
}

func TestNameTaken(t *testing.T) {
	f := facts()
	f.NameTaken = true
	b, err := brand.Find("", brand.Default)
	if err != nil {
		t.Fatal(err)
	}
	var p *Problem
	if _, err := New(configured(nil), b, f); !errors.As(err, &p) || p.Object != "zonename web" {
		t.Errorf("a zone whose cgroup cannot be made: %v", err)
	}
}

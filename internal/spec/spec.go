// SPDX-License-Identifier: Apache-2.0

// Package spec turns a configuration, its brand and facts about the host into
// what the kernel is asked for: the values of the machine packages. It is a
// pure function, except for Host, which gathers the facts; it changes nothing.
package spec

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"zones/internal/brand"
	"zones/internal/cgroup"
	"zones/internal/config"
	"zones/internal/entrypoint"
	"zones/internal/mount"
	"zones/internal/network"
	"zones/internal/nsexec"
	"zones/internal/schema"
	"zones/internal/zone"
)

// A Zone is what a zone needs of the kernel.
type Zone struct {
	Name     zone.Name
	Brand    string
	Zonepath string
	IPType   string
	IDBase   uint32 // host id of the zone's root
	IDSize   uint32

	Cgroup     string // directory
	Limits     cgroup.Limits
	Tree       mount.Tree
	Hostname   string
	Namespaces uint64 // CLONE_NEW*
	Mounts     []nsexec.Mount
	Sysctls    []Sysctl // of the zone's ipc namespace
	Process    nsexec.Limits
	Env        []string
	Init       string
	BootArgs   string // when a boot gives none
	Restart    bool   // init's death restarts the zone
	Datasets   []string
	Processors cgroup.Processors // for itself; none when zero
	Links      []network.Link
	Addresses  []network.Address

	// Warnings are what the configuration asks for and this machine does not
	// honour, as sentences without a full stop.
	Warnings []string
}

// A Sysctl is a setting of a namespace: a name with slashes, and its value.
type Sysctl struct{ Name, Value string }

// Facts are what New needs to know of the host.
type Facts struct {
	CgroupTop   string   // where the unified hierarchy is mounted
	NameTaken   bool     // the kernel has a file where the zone's cgroup would be
	Controllers []string // that groups can have
	CPUs        int
	Isolates    bool // others can be kept off processors
	PageSize    int
	LastCap     int
	Rlimits     []nsexec.Rlimit          // that processes begin with
	Devices     []mount.Node             // of the host's /dev
	Bridge      func(link string) bool   // whether a link of the host is a bridge
	Resolve     func(host string) string // address of a host name, or ""
	UUID        zone.UUID
	Entrypoint  bool // the zone was installed from an image that says what runs
}

// EntrypointDir is where a zone finds what its image says about running it, and
// the program that carries that out, which is its init.
const (
	EntrypointDir  = "/run/zone"
	EntrypointInit = EntrypointDir + "/zonestart"
)

// zonestart is that program on the host; make install sets it for another
// prefix.
var zonestart = "/usr/lib/zones/zonestart"

// SupervisorGroup is the cgroup of what watches the zones; empty when there are
// no cgroups.
func SupervisorGroup() string {
	top, err := cgroup.Mount()
	if err != nil {
		return ""
	}
	return filepath.Join(top, zone.Slice, ".zoneadmd")
}

// CgroupOf is the directory of a zone's cgroup.
func (f *Facts) CgroupOf(name zone.Name) string {
	return filepath.Join(f.CgroupTop, zone.Slice, string(name))
}

// A Problem is something in a configuration that keeps a zone from booting.
type Problem struct {
	Object string // what the administrator wrote
	Text   string // what is wrong, and what to do
	// Resource says that Object is a single file system or network link.
	Resource bool
}

func problem(object, format string, args ...any) *Problem {
	return &Problem{Object: object, Text: fmt.Sprintf(format, args...)}
}

func (p *Problem) Error() string { return p.Object + ": " + p.Text }

// New is what the zone of a configuration needs.
func New(c *config.Config, b *brand.Brand, f Facts) (*Zone, error) {
	if f.NameTaken {
		return nil, problem("zonename "+string(c.Name()), "the kernel has a file of this name in every cgroup: rename the zone")
	}
	z := &Zone{Name: c.Name(), Brand: b.Name, Hostname: string(c.Name()), Init: b.Init, Cgroup: f.CgroupOf(c.Name())}
	z.Zonepath, _ = schema.ZonePath.Of(c)
	z.IPType, _ = schema.IPType.Of(c)
	z.BootArgs, _ = schema.BootArgs.Of(c)
	z.Tree = mount.Tree{Root: filepath.Join(z.Zonepath, "root"), Dev: mount.StandardDev()}
	for _, part := range []func(*config.Config, *brand.Brand, *Facts) error{
		z.ids, z.limits, z.privileges, z.namespaces, z.devices, z.filesystems, z.datasets, z.network, z.identity,
		z.entrypoint,
	} {
		if err := part(c, b, &f); err != nil {
			return nil, err
		}
	}
	z.unsupported(c)
	return z, nil
}

func (z *Zone) warn(format string, args ...any) {
	z.Warnings = append(z.Warnings, fmt.Sprintf(format, args...))
}

// Exclusive reports whether the zone has a network stack of its own.
func (z *Zone) Exclusive() bool { return z.IPType == exclusive }

const exclusive = "exclusive"

func (z *Zone) ids(c *config.Config, _ *brand.Brand, _ *Facts) error {
	base, ok := schema.IDBase.Of(c)
	if !ok {
		return problem(schema.IDBase.Name, "the zone has no range of ids: install or attach it, or set one")
	}
	size, _ := schema.IDSize.Of(c)
	if base+size > 1<<32-1 {
		return problem(schema.IDBase.Name, "the range of ids goes beyond the last one")
	}
	z.IDBase, z.IDSize = uint32(base), uint32(size)
	return nil
}

// restricted are the attributes of a mount that shows the kernel.
const restricted = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC

func (z *Zone) namespaces(*config.Config, *brand.Brand, *Facts) error {
	z.Namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS |
		unix.CLONE_NEWIPC | unix.CLONE_NEWCGROUP
	z.Mounts = []nsexec.Mount{{Type: "proc", Target: "proc", Flags: restricted}}
	if z.Exclusive() {
		z.Namespaces |= unix.CLONE_NEWNET
		// Read-only, as systemd wants it in a container.
		z.Mounts = append(z.Mounts, nsexec.Mount{Type: "sysfs", Target: "sys", Flags: restricted | unix.MOUNT_ATTR_RDONLY})
	} else {
		z.Tree.HostSys = true
	}
	z.Mounts = append(z.Mounts,
		nsexec.Mount{Type: "cgroup2", Target: "sys/fs/cgroup", Flags: restricted},
		nsexec.Mount{Type: "devpts", Target: "dev/pts", Flags: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC,
			Options: []string{"newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		nsexec.Mount{Type: "mqueue", Target: "dev/mqueue", Flags: restricted},
		nsexec.Mount{Type: "tmpfs", Target: "dev/shm", Flags: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV,
			Options: []string{"mode=1777"}})
	return nil
}

func (z *Zone) datasets(c *config.Config, _ *brand.Brand, _ *Facts) error {
	for _, r := range c.All(schema.DatasetResource) {
		name, _ := schema.DatasetName.Of(r)
		z.Datasets = append(z.Datasets, name)
		if alias, ok := schema.DatasetAlias.Of(r); ok && alias != "" {
			z.warn("%s %s of dataset %s is not used: the zone sees datasets by their own names", schema.DatasetAlias.Name, alias, name)
		}
	}
	return nil
}

// entrypoint makes the program that an image names the zone's init.
func (z *Zone) entrypoint(_ *config.Config, _ *brand.Brand, f *Facts) error {
	if !f.Entrypoint {
		return nil
	}
	z.Init = EntrypointInit
	readOnly := []string{"ro", "nosuid"}
	z.Tree.Entries = append(z.Tree.Entries,
		mount.Entry{Type: mount.Bind, Source: zonestart, Target: EntrypointInit, Options: readOnly},
		mount.Entry{Type: mount.Bind, Source: filepath.Join(z.Zonepath, entrypoint.File),
			Target: filepath.Join(EntrypointDir, entrypoint.File), Options: readOnly})
	return nil
}

// identity is what tells the zone who it is.
func (z *Zone) identity(c *config.Config, _ *brand.Brand, f *Facts) error {
	z.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=linux", "container=zones"}
	if !f.UUID.IsZero() {
		z.Env = append(z.Env, "container_uuid="+f.UUID.String())
	}
	z.Tree.Files = append(z.Tree.Files, mount.File{Path: "/etc/zones/index",
		Data: []byte(fmt.Sprintf("%s:%s:/:%s\n", z.Name, zone.Installed, f.UUID))})
	if id, ok := schema.HostID.Of(c); ok {
		// What C libraries answer gethostid(3) from.
		data := binary.NativeEndian.AppendUint32(nil, id)
		z.Tree.Files = append(z.Tree.Files, mount.File{Path: "/etc/hostid", Data: data})
	}
	return nil
}

// unsupported warns of what no part of this package looks at, or not all of.
func (z *Zone) unsupported(c *config.Config) {
	if pool, ok := schema.Pool.Of(c); ok {
		z.warn("%s %s is not used: this kernel has no pools of processors", schema.Pool.Name, pool)
	}
	if types := c.Text(schema.FSAllowed.Property); types != "" {
		z.warn("%s is not used: a zone may mount what the kernel lets a user namespace mount", schema.FSAllowed.Name)
	}
	if r := c.First(schema.SecurityFlagsResource); r != nil {
		z.warn("%s are not used: this kernel has no such flags", r.Type.Name)
	}
	if r := c.First(schema.DedicatedCPUResource); r != nil && r.Text(schema.DedicatedCPUImportance.Property) != "" {
		z.warn("%s of %s is not used: zones do not compete for processors of their own", schema.DedicatedCPUImportance.Name, r.Type.Name)
	}
	if _, ok := schema.ZFSIOPriority.Of(c); ok {
		z.warn("%s counts for disks that the zone uses itself: the kernel does the work of ZFS in nobody's name", schema.ZFSIOPriority.Name)
	}
	if _, ok := schema.MaxProcesses.Of(c); ok {
		z.warn("%s holds for each user of the zone; all of them together have %d threads", schema.MaxProcesses.Name, z.Limits.PIDs)
	}
	if shares, _ := schema.CPUShares.Of(c); shares > maxWeight {
		z.warn("%s above %d weigh no more than that", schema.CPUShares.Name, maxWeight)
	}
	z.properties(c.All(schema.NetResource), schema.NetPhysical.Property, schema.NetProperty)
	z.properties(c.All(schema.DeviceResource), schema.DeviceMatch.Property, schema.DeviceProperty)
}

// properties warns of those that are there for commands of brands alone.
func (z *Zone) properties(all []*config.Resource, by *schema.Property, property schema.Prop[[]schema.NameValue]) {
	for _, r := range all {
		list, _ := property.Of(r)
		for _, p := range list {
			z.warn("%s %s of %s %s means nothing but to commands of the brand", property.Name, p.Name, r.Type.Name, r.Text(by))
		}
	}
}

// BootArgs are boot arguments, taken apart.
type BootArgs struct {
	Init    string   // program to start instead of the brand's, or ""
	Argv    []string // for init, without its name
	Invalid []string // options nobody knows; init gets them even so
	Unused  []string // words that are dropped
}

// ParseBootArgs takes boot arguments apart, at blanks and tabs.
func ParseBootArgs(s string) BootArgs {
	var a BootArgs
	words := strings.Fields(s)
	if len(words) > 0 && !strings.HasPrefix(words[0], "-") {
		// A boot file, which no kernel of today has a use for.
		words = words[1:]
	}
	for len(words) > 0 {
		word := words[0]
		if len(word) < 2 || word[0] != '-' {
			break
		}
		words = words[1:]
		switch {
		case word == "--":
			a.Unused = append(a.Unused, words...)
			return a
		case word[1] == '-':
			a.pass(word) // inits of Linux have long options
		default:
			words = a.letters(word[1:], words)
		}
	}
	a.Unused = append(a.Unused, words...)
	return a
}

// letters reads the options of one word as getopt(3) does: bundled, and with
// an argument in the same word or the next one. It returns the words left.
func (a *BootArgs) letters(letters string, words []string) []string {
	for letters != "" {
		letter := letters[:1]
		letters = letters[1:]
		if letter == "i" || letter == "m" {
			arg := letters
			if arg == "" && len(words) > 0 {
				arg, words = words[0], words[1:]
			}
			switch {
			case arg == "":
				a.pass("-" + letter)
			case letter == "i":
				a.Init = arg
			default:
				a.Argv = append(a.Argv, "-m", arg)
			}
			return words
		}
		switch letter {
		case "s":
			a.Argv = append(a.Argv, "-s")
		case "f": // a forced boot, which matters to nobody here
		default:
			a.pass("-" + letter)
		}
	}
	return words
}

// pass leaves an option that nobody here knows to init.
func (a *BootArgs) pass(option string) {
	a.Invalid, a.Argv = append(a.Invalid, option), append(a.Argv, option)
}

// SPDX-License-Identifier: Apache-2.0

// Package brand knows what differs between kinds of zones: what is started in
// them, which privileges they have, which resources they cannot take and which
// commands stand in for parts of zoneadm's verbs. It reads definitions; it runs
// nothing, and no zone's configuration is its business.
package brand

import (
	"embed"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"zones/internal/schema"
)

// Default is the brand of zones that do not say, and of the host.
const Default = "linux"

// Dir is where definitions are installed, as NAME/config.xml.
const Dir = "/usr/lib/brand"

// A Hook is a point at which a brand may have a command of its own run.
type Hook string

// The hooks, by the names they have in definitions.
const (
	Attach          Hook = "attach"
	Boot            Hook = "boot"
	Clone           Hook = "clone"
	Detach          Hook = "detach"
	Halt            Hook = "halt"
	Install         Hook = "install"
	PostAttach      Hook = "postattach"
	PostClone       Hook = "postclone"
	PostInstall     Hook = "postinstall"
	PostSnapshot    Hook = "postsnap"
	PostStateChange Hook = "poststatechange"
	PreDetach       Hook = "predetach"
	PreSnapshot     Hook = "presnap"
	PreStateChange  Hook = "prestatechange"
	PreUninstall    Hook = "preuninstall"
	Query           Hook = "query"
	Shutdown        Hook = "shutdown"
	SysBoot         Hook = "sysboot"
	Uninstall       Hook = "uninstall"
	ValidateSnap    Hook = "validatesnap"
	VerifyAdm       Hook = "verify_adm" // before zoneadm's verbs
	VerifyConfig    Hook = "verify_cfg" // zonecfg's verify, with a file to check
)

var hooks = []Hook{
	Attach, Boot, Clone, Detach, Halt, Install, PostAttach, PostClone, PostInstall, PostSnapshot, PostStateChange,
	PreDetach, PreSnapshot, PreStateChange, PreUninstall, Query, Shutdown, SysBoot, Uninstall, ValidateSnap,
	VerifyAdm, VerifyConfig,
}

// A Brand is one definition.
type Brand struct {
	Name        string
	Init        string // path of the first program in the zone
	Login       string // command for a login with password; see Expand
	ForcedLogin string // command for a login without
	UserCommand string // prints the passwd entry of a user in the zone
	InstallOpts string // option letters of Install, as for getopt
	SharedOnly  bool   // ip-type exclusive is not for this brand
	// RestartInit has the zone booted again when its init dies, and with
	// RestartInit0 only when init exited with status 0; else it is halted.
	RestartInit, RestartInit0 bool
	// Forbidden resources cannot be added to a zone of this brand.
	Forbidden []*schema.Resource

	hooks      map[Hook]string
	privileges []privilege
}

type privilege struct {
	Set    string `xml:"set,attr"`
	Name   string `xml:"name,attr"`
	IPType string `xml:"ip-type,attr"`
}

//go:embed definitions/*.xml
var shipped embed.FS

// UnknownError says that a brand is not installed.
type UnknownError struct {
	Name string
}

func (e *UnknownError) Error() string { return fmt.Sprintf("brand %q is not installed", e.Name) }

// Hint says what to do instead for a brand that is known from elsewhere; empty
// when there is nothing to say.
func (e *UnknownError) Hint() string { return Hint(e.Name) }

// foreign are brands whose zones hold what runs on the kernel of illumos only,
// or virtual machines.
var foreign = map[string]string{
	"native": "illumos", "ipkg": "illumos", "lipkg": "illumos", "illumos": "illumos", "pkgsrc": "illumos",
	"sparse": "illumos", "sn1": "illumos", "cluster": "illumos", "labeled": "illumos", "joyent": "illumos",
	"joyent-minimal": "illumos", "omicron1": "illumos", "s10": "Solaris", "solaris": "Solaris", "solaris10": "Solaris",
	"solaris-kz": "Solaris", "bhyve": "a virtual machine", "kvm": "a virtual machine", "emu": "a virtual machine",
}

// Hint says what to do instead of a brand, or of a template of its name, that
// is known from elsewhere; empty when there is nothing to say.
func Hint(name string) string {
	if what := foreign[name]; what != "" {
		return fmt.Sprintf("zones of brand %s hold %s, which this kernel does not run; use brand %s", name, what, Default)
	}
	return ""
}

// Find reads the definition of a brand: the one below root, else that of the
// running system, else the one that is built in. It fails with *UnknownError
// when there is none, and otherwise when the definition is damaged.
func Find(root, name string) (*Brand, error) {
	if !validName(name) {
		return nil, &UnknownError{name}
	}
	for _, path := range slices.Compact([]string{
		filepath.Join("/", root, Dir, name, "config.xml"), filepath.Join(Dir, name, "config.xml"),
	}) {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read brand %s: %w", name, err)
		}
		defer f.Close()
		return remembered(f, path, name)
	}
	f, err := shipped.Open("definitions/" + name + ".xml")
	if err != nil {
		return nil, &UnknownError{name}
	}
	defer f.Close()
	return parse(f, "built-in definition", name)
}

// memory holds what Find has read: one verb looks its zone's brand up a dozen
// times, and reading XML takes its time.
var memory sync.Map // path: memo

type memo struct {
	info  fs.FileInfo
	brand *Brand
}

// remembered is parse, unless the file is the one that was read before.
func remembered(f *os.File, path, name string) (*Brand, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read brand %s: %w", name, err)
	}
	if was, ok := memory.Load(path); ok {
		m := was.(memo)
		if os.SameFile(m.info, info) && m.info.Size() == info.Size() && m.info.ModTime().Equal(info.ModTime()) {
			return m.brand, nil
		}
	}
	b, err := parse(f, path, name)
	if err == nil {
		memory.Store(path, memo{info, b})
	}
	return b, err
}

// Names lists the brands that Find finds, in order.
func Names(root string) []string {
	var names []string
	list, _ := shipped.ReadDir("definitions")
	for _, e := range list {
		names = append(names, strings.TrimSuffix(e.Name(), ".xml"))
	}
	for _, base := range []string{root, ""} {
		paths, _ := filepath.Glob(filepath.Join("/", base, Dir, "*", "config.xml"))
		for _, p := range paths {
			names = append(names, filepath.Base(filepath.Dir(p)))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func validName(s string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	return s != "" && len(s) <= 255 && s[0] != '.' && strings.Trim(s, allowed) == ""
}

// maxDefinition bounds a definition; the shipped ones have three kilobytes.
const maxDefinition = 1 << 20

// definition is the file: elements of which the hooks are some.
type definition struct {
	XMLName   xml.Name  `xml:"brand"`
	Name      string    `xml:"name,attr"`
	Elements  []element `xml:",any"`
	Forbidden []struct {
		Resource string `xml:"resource,attr"`
	} `xml:"forbidden"`
	Privileges []privilege `xml:"privilege"`
	Network    *struct {
		Exclusive string `xml:"exclusive,attr"`
	} `xml:"network"`
}

type element struct {
	XMLName xml.Name
	Text    string `xml:",chardata"`
}

// parse reads a definition in the form of illumos, whose document type is not
// looked at. Two elements are our own: <forbidden resource="..."/>, and
// <network exclusive="no"/> for brands without exclusive ip-type. Elements that
// nobody here knows are left out.
func parse(r io.Reader, path, name string) (*Brand, error) {
	fail := func(err error) (*Brand, error) {
		return nil, fmt.Errorf("read brand %s: %s: %w", name, path, err)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxDefinition+1))
	if err != nil {
		return fail(err)
	}
	if len(data) > maxDefinition {
		return fail(errors.New("file is too large"))
	}
	var d definition
	if err := xml.Unmarshal(data, &d); err != nil {
		return fail(err)
	}
	if d.Name != name {
		return fail(fmt.Errorf("it defines brand %q", d.Name))
	}
	b := &Brand{Name: name, hooks: map[Hook]string{}, privileges: d.Privileges}
	b.SharedOnly = d.Network != nil && d.Network.Exclusive == "no"
	for _, e := range d.Elements {
		b.take(e.XMLName.Local, strings.TrimSpace(e.Text))
	}
	for _, f := range d.Forbidden {
		r := schema.Lookup(f.Resource)
		if r == nil {
			return fail(fmt.Errorf("it forbids %q, which is no resource", f.Resource))
		}
		b.Forbidden = append(b.Forbidden, r)
	}
	for _, p := range d.Privileges {
		if !slices.Contains([]string{schema.DefaultPrivileges, "required", "prohibited"}, p.Set) || p.Name == "" {
			return fail(fmt.Errorf("privilege %q in set %q", p.Name, p.Set))
		}
	}
	if !strings.HasPrefix(b.Init, "/") {
		return fail(fmt.Errorf("init %q is not an absolute path", b.Init))
	}
	return b, nil
}

func (b *Brand) take(name, text string) {
	switch name {
	case "initname":
		b.Init = text
	case "login_cmd":
		b.Login = text
	case "forcedlogin_cmd":
		b.ForcedLogin = text
	case "user_cmd":
		b.UserCommand = text
	case "installopts":
		b.InstallOpts = text
	case "restartinit", "restartinitreboot":
		// Both come to the same where init is the first process of all.
		b.RestartInit = b.RestartInit || text == "true"
	case "restartinit0":
		b.RestartInit0 = text == "true"
	default:
		if h := Hook(name); text != "" && slices.Contains(hooks, h) {
			b.hooks[h] = text
		}
	}
}

// Privileges gives the sets of privileges of a zone by its ip-type, named as in
// limitpriv: those it has by default, those it must have and those it cannot
// have.
func (b *Brand) Privileges(exclusive bool) (byDefault, required, prohibited []string) {
	ipType := "shared"
	if exclusive {
		ipType = "exclusive"
	}
	for _, p := range b.privileges {
		if p.IPType != "" && p.IPType != "all" && p.IPType != ipType {
			continue
		}
		switch p.Set {
		case schema.DefaultPrivileges:
			byDefault = append(byDefault, p.Name)
		case "required":
			required = append(required, p.Name)
		case "prohibited":
			prohibited = append(prohibited, p.Name)
		}
	}
	return byDefault, required, prohibited
}

// Forbids reports whether a zone of this brand cannot have such a resource.
func (b *Brand) Forbids(r *schema.Resource) bool { return slices.Contains(b.Forbidden, r) }

// Hook is the command line for a hook, for a shell, with its words replaced as
// by Expand; false when the brand has none and zoneadm does the work itself.
func (b *Brand) Hook(h Hook, zone, path string) (string, bool) {
	text, ok := b.hooks[h]
	if !ok {
		return "", false
	}
	return Expand(text, zone, path, ""), true
}

// Signal is the signal that ended a hook, 0 when none did. A shell that waited
// for the command tells it by the status.
func Signal(status syscall.WaitStatus) syscall.Signal {
	if status.Signaled() {
		return status.Signal()
	}
	if n := syscall.Signal(status.ExitStatus() - 128); n > 0 && n < 32 {
		return n
	}
	return 0
}

// Expand replaces %z and %Z by the name of a zone, %R by its zonepath, %u by a
// user and %% by a percent sign. Other words after a percent sign vanish.
func Expand(command, zone, path, user string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(command, "%")
		b.WriteString(before)
		if !found || after == "" {
			return b.String()
		}
		switch after[0] {
		case 'z', 'Z':
			b.WriteString(zone)
		case 'R':
			b.WriteString(path)
		case 'u':
			b.WriteString(user)
		case '%':
			b.WriteByte('%')
		}
		command = after[1:]
	}
}

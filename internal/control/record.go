// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"zones/internal/cgroup"
	"zones/internal/zone"
)

// A Record is what the supervisor wrote down about an active zone, so that
// others can find it in the kernel. Whether it is still true is asked of the
// kernel: see Status.
type Record struct {
	Name     zone.Name
	ID       uint64 // of the delegation namespace; 0 while there is none
	Boot     string // the kernel's boot_id when the zone was made
	PID      int    // the zone's first process, as the host numbers it
	Start    uint64 // its start time in clock ticks since boot
	Phase    Phase
	Keeper   int    // process that keeps the console and init's exit status
	KStart   uint64 // start time of the keeper
	Cgroup   string // absolute path of the zone's cgroup directory
	Zonepath string
	Root     string // host's path of the zone's root directory
	Brand    string
	IPType   string // "shared" or "exclusive"
	UIDBase  uint32 // host id of the zone's root
	UIDCount uint32
	Init     string // program of the first process
	Args     string // boot arguments
	CapsKept uint64 // capability bounding set, as a bit mask
	// Env is the environment every process entered into the zone begins with.
	Env []string
	// Rlimits are "NAME=SOFT:HARD" with the numbers of RLIMIT_*.
	Rlimits []string
	// KeeperFDs are the keeper's descriptors, for whoever takes it over.
	KeeperFDs []int
	// Links are "KIND NAME INDEX" and Addresses "LINK ADDRESS/LENGTH", to be taken
	// back when the zone halts.
	Links, Addresses []string

	saved []byte // what Save wrote last
}

// Phase is how far a zone has come, as its supervisor noted it.
type Phase string

// The phases of an active zone.
const (
	PhaseReady   Phase = "ready"
	PhaseRunning Phase = "running"
	PhaseHalting Phase = "halting" // processes being killed
	PhaseDown    Phase = "down"    // none left; something could not be released
	PhaseMounted Phase = "mounted"
)

// Save writes the record where Load finds it, whole or not at all. What it has
// written already it does not write again.
func (r *Record) Save() error {
	name, data := Path(r.Name, recordSuffix), r.encode()
	if bytes.Equal(data, r.saved) {
		return nil
	}
	if err := prepare(); err != nil {
		return err
	}
	// First, as it is what Load prefers. There is no group yet when a boot begins;
	// in a zone within a zone nothing can be kept there, and the file has to do.
	if err := cgroup.Hide(r.Cgroup, recordCopy, data); err != nil {
		cgroup.Unhide(r.Cgroup, recordCopy)
	}
	temp := name + ".new"
	if err := os.WriteFile(temp, data, 0o644); err != nil {
		return fmt.Errorf("save record: %w", err)
	}
	if err := os.Rename(temp, name); err != nil {
		return fmt.Errorf("save record: %w", err)
	}
	r.saved = data
	return nil
}

// recordCopy is the name of the copy that the zone's cgroup keeps of its record:
// as long as there is a zone there is that, whatever happens to the file.
const recordCopy = "record"

// Forget removes the record of a zone. One that is not there is no error.
func Forget(name zone.Name) error {
	_ = os.Remove(Path(name, recordSuffix) + ".new") // of a Save that was cut off
	err := os.Remove(Path(name, recordSuffix))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (r *Record) encode() []byte {
	var b bytes.Buffer
	put := func(key string, value any) { fmt.Fprintf(&b, "%s=%v\n", key, value) }
	put("name", r.Name)
	put("id", r.ID)
	put("boot", r.Boot)
	put("pid", r.PID)
	put("start", r.Start)
	put("phase", r.Phase)
	put("keeper", r.Keeper)
	put("keeper-start", r.KStart)
	put("cgroup", r.Cgroup)
	put("zonepath", r.Zonepath)
	put("root", r.Root)
	put("brand", r.Brand)
	put("ip-type", r.IPType)
	put("uid-base", r.UIDBase)
	put("uid-count", r.UIDCount)
	put("init", strconv.Quote(r.Init))
	put("args", strconv.Quote(r.Args))
	put("caps", strconv.FormatUint(r.CapsKept, 16))
	for _, e := range r.Env {
		put("env", strconv.Quote(e))
	}
	for _, l := range r.Rlimits {
		put("rlimit", l)
	}
	for _, n := range r.KeeperFDs {
		put("keeper-fd", n)
	}
	for _, l := range r.Links {
		put("link", strconv.Quote(l))
	}
	for _, a := range r.Addresses {
		put("address", strconv.Quote(a))
	}
	return b.Bytes()
}

// A DamagedError is a record that cannot be read as one.
type DamagedError struct {
	File string
	Err  error
}

func (e *DamagedError) Error() string { return "read record " + e.File + ": " + e.Err.Error() }
func (e *DamagedError) Unwrap() error { return e.Err }

// maxRecord bounds what is read of a record: it is ours, but may be damaged.
const maxRecord = 64 << 10

// Load reads the record of a zone as it was written; the zone may be gone
// since. ErrNotActive when there is none, or one of an earlier boot. Root reads
// the copy that the zone's cgroup keeps, so that a file which was edited, damaged
// or lost does no harm; others have the file alone.
func Load(name zone.Name) (*Record, error) {
	if group := GroupOf(name); group != "" {
		if data := cgroup.Hidden(group, recordCopy); len(data) > 0 {
			if r, err := checked(name, "of "+group, data); err == nil {
				return r, nil
			}
		}
	}
	return loadFile(name)
}

func loadFile(name zone.Name) (*Record, error) {
	f, err := os.Open(Path(name, recordSuffix))
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNotActive
	}
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	if len(data) > maxRecord {
		return nil, &DamagedError{Path(name, recordSuffix), errors.New("it is too long")}
	}
	return checked(name, Path(name, recordSuffix), data)
}

// checked decodes a record that must be of this zone, and of this boot.
func checked(name zone.Name, from string, data []byte) (*Record, error) {
	r, err := decodeRecord(data)
	if err != nil {
		return nil, &DamagedError{from, err}
	}
	if r.Name != name || r.Boot != bootID() {
		return nil, ErrNotActive
	}
	// Whatever is in a zone's group is killed when it halts.
	if own := GroupOf(name); own != "" && r.Cgroup != own {
		return nil, &DamagedError{from, fmt.Errorf("%q is not the zone's cgroup", r.Cgroup)}
	}
	return r, nil
}

func decodeRecord(data []byte) (*Record, error) {
	r := &Record{}
	for i, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("line %d is not key=value", i+1)
		}
		if err := r.set(key, value); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return r, nil
}

func (r *Record) set(key, value string) (err error) {
	number := func(bits int) uint64 {
		var n uint64
		if n, err = strconv.ParseUint(value, 10, bits); err != nil {
			err = fmt.Errorf("%s: %w", key, err)
		}
		return n
	}
	quoted := func() string {
		var s string
		if s, err = strconv.Unquote(value); err != nil {
			err = fmt.Errorf("%s: %w", key, err)
		}
		return s
	}
	switch key {
	case "name":
		r.Name, err = zone.ParseName(value)
	case "id":
		r.ID = number(64)
	case "boot":
		r.Boot = value
	case "pid":
		r.PID = int(number(31))
	case "start":
		r.Start = number(64)
	case "phase":
		r.Phase = Phase(value)
	case "keeper":
		r.Keeper = int(number(31))
	case "keeper-start":
		r.KStart = number(64)
	case "cgroup":
		r.Cgroup = value
	case "zonepath":
		r.Zonepath = value
	case "root":
		r.Root = value
	case "brand":
		r.Brand = value
	case "ip-type":
		r.IPType = value
	case "uid-base":
		r.UIDBase = uint32(number(32))
	case "uid-count":
		r.UIDCount = uint32(number(32))
	case "init":
		r.Init = quoted()
	case "args":
		r.Args = quoted()
	case "caps":
		r.CapsKept, err = strconv.ParseUint(value, 16, 64)
	case "env":
		r.Env = append(r.Env, quoted())
	case "keeper-fd":
		r.KeeperFDs = append(r.KeeperFDs, int(number(31)))
	case "link":
		r.Links = append(r.Links, quoted())
	case "address":
		r.Addresses = append(r.Addresses, quoted())
	case "rlimit":
		r.Rlimits = append(r.Rlimits, value)
	}
	return err
}

// Status is the record of a zone that the kernel still holds something of, and
// the state it is in. ErrNotActive when the kernel holds nothing. A zone whose
// record is damaged or lost counts as down, for its next supervisor to clean
// up.
func Status(name zone.Name) (*Record, zone.State, error) {
	r, err := Load(name)
	lost := errors.Is(err, ErrNotActive) && HasGroup(name)
	if lost {
		// Or both have been made since it was looked for.
		r, err = Load(name)
		lost = errors.Is(err, ErrNotActive)
	}
	var damaged *DamagedError
	if lost || errors.As(err, &damaged) {
		return &Record{Name: name, Phase: PhaseDown, Cgroup: GroupOf(name)}, zone.Down, nil
	}
	if err != nil {
		return nil, zone.Installed, err
	}
	switch {
	case r.PID == 0:
		// A boot that did not get, or has not got, as far as a process: what it
		// left is removed by the next supervisor.
		return nil, zone.Installed, ErrNotActive
	case r.Alive() && (r.Phase == PhaseHalting || r.Phase == PhaseDown):
		return r, zone.ShuttingDown, nil
	case r.Alive() && r.Phase == PhaseReady:
		return r, zone.Ready, nil
	case r.Alive() && r.Phase == PhaseMounted:
		return r, zone.Mounted, nil
	case r.Alive():
		return r, zone.Running, nil
	case r.Phase == PhaseDown:
		return r, zone.Down, nil
	}
	// The first process is gone and the rest has not been released yet.
	return r, zone.ShuttingDown, nil
}

// HasGroup reports whether the kernel has a cgroup for the zone: that is made
// after the record and removed before it.
func HasGroup(name zone.Name) bool {
	group := GroupOf(name)
	if group == "" {
		return false
	}
	// Zones may have the names of the files that the kernel has there.
	info, err := os.Stat(group)
	return err == nil && info.IsDir()
}

// GroupOf is the path of the zone's cgroup; empty when there are no cgroups.
func GroupOf(name zone.Name) string {
	top, err := cgroup.Mount()
	if err != nil {
		return ""
	}
	return filepath.Join(top, zone.Slice, string(name))
}

// BrandTag, of a zone's cgroup, tells those in it the zone's brand.
const BrandTag = "brand"

// OwnBrand is the brand of the zone that the caller is in, as the host has
// written it down; empty when there is no telling.
func OwnBrand() string {
	name, _ := cgroup.OwnTag(BrandTag)
	return name
}

// Active lists the names that have a record or, as that may be lost, a cgroup,
// in no order. It needs the right to list Dir.
func Active() ([]zone.Name, error) {
	entries, err := os.ReadDir(Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	found := map[zone.Name]bool{}
	for _, e := range entries {
		if base, ok := strings.CutSuffix(e.Name(), "."+recordSuffix); ok {
			if name, err := zone.ParseName(base); err == nil {
				found[name] = true
			}
		}
	}
	if top, err := cgroup.Mount(); err == nil {
		groups, _ := os.ReadDir(filepath.Join(top, zone.Slice))
		for _, g := range groups {
			name, err := zone.ParseName(g.Name())
			// What has no brand is not of a zone: a unit of systemd's, say.
			if err == nil && g.IsDir() && cgroup.TagOf(filepath.Join(top, zone.Slice, g.Name()), BrandTag) != "" {
				found[name] = true
			}
		}
	}
	return slices.Collect(maps.Keys(found)), nil
}

// Alive reports whether the zone's first process is the one of the record and
// has not ended.
func (r *Record) Alive() bool { return alive(r.PID, r.Start) }

// PIDFD opens the zone's first process, certain that it is the right one. The
// caller closes it.
func (r *Record) PIDFD() (*os.File, error) { return pidfd(r.PID, r.Start) }

// KeeperFD opens the zone's keeper, certain that it is the right one.
func (r *Record) KeeperFD() (*os.File, error) { return pidfd(r.Keeper, r.KStart) }

func pidfd(pid int, start uint64) (*os.File, error) {
	if pid <= 0 {
		return nil, ErrNotActive
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, ErrNotActive
	}
	// The number may have been given to another process before it was opened.
	if !alive(pid, start) {
		unix.Close(fd)
		return nil, ErrNotActive
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

func alive(pid int, start uint64) bool {
	if pid <= 0 {
		return false
	}
	s, zombie, err := StartTime(pid)
	return err == nil && s == start && !zombie
}

// StartTime tells when a process began, in clock ticks since boot, and whether
// it has ended without being waited for.
func StartTime(pid int) (ticks uint64, zombie bool, err error) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, false, err
	}
	// The second field is the name in parentheses and may hold anything.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return 0, false, fmt.Errorf("process %d: short stat", pid)
	}
	ticks, err = strconv.ParseUint(fields[19], 10, 64)
	return ticks, fields[0] == "Z" || fields[0] == "X", err
}

func bootID() string {
	data, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(data))
}

// BootID names the present boot of the host's kernel.
func BootID() string { return bootID() }

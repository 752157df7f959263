// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"zones/internal/zone"
)

// Names in a zonepath that belong to the zone.
const (
	rootName     = "root"
	luName       = "lu"
	devName      = "dev"
	detachedName = "SUNWdetached.xml"
	attachedName = "SUNWattached.xml"
)

// zonepathCheck is one look at a zonepath: what for, and what was found.
type zonepathCheck struct {
	m      *Manager
	name   zone.Name
	path   string
	verb   zone.Verb
	state  zone.State
	above  string // what will hold a zonepath that the verb makes; empty: there is one
	failed bool
	mend   []func() error // what sets the zonepath right, if nothing else is wrong
}

// verifyZonepath checks that a folder can be the zonepath of a zone, and mends it
// where the verb may. One that is missing and that the verb makes is not made
// yet. What is wrong is said; the error is errSaid then.
func (m *Manager) verifyZonepath(name zone.Name, path string, verb zone.Verb, state zone.State) error {
	c := &zonepathCheck{m: m, name: name, path: path, verb: verb, state: state}
	if c.exists() && c.isFolder() {
		c.overlaps()
		c.owner()
		c.parent()
		c.filesystem()
		if state == zone.Configured && verb != zone.Attach && verb != zone.AttachUpdate {
			c.existingRoot()
		}
	}
	for i := 0; i < len(c.mend) && !c.failed; i++ {
		if err := c.mend[i](); err != nil {
			m.Talk.Subject(path, err)
			c.failed = true
		}
	}
	if !c.failed {
		return nil
	}
	m.Talk.Bare(fmt.Sprintf("could not verify zonepath %s because of the above errors.", path))
	return errSaid
}

func (c *zonepathCheck) fail(format string, args ...any) {
	c.m.Talk.Bare(fmt.Sprintf(format, args...))
	c.failed = true
}

// repairs reports whether the verb may set owner and mode right. A folder that
// holds other things than a zone has may be the wrong one, such as /home.
func (c *zonepathCheck) repairs() bool {
	if c.verb == zone.Verify {
		return false
	}
	if e, err := c.m.Store.Lookup(c.name); err == nil && e.State != zone.Configured && e.Path == c.path {
		return true
	}
	entries, err := os.ReadDir(c.path)
	for _, e := range entries {
		if name := e.Name(); !standard[name] && name != ".zfs" && name != "lost+found" {
			return false
		}
	}
	return err == nil
}

// makes reports whether the verb makes a zonepath that is missing. Where a zone
// is that is moved there must be one.
func (c *zonepathCheck) makes() bool {
	if c.verb == zone.Move {
		e, err := c.m.Store.Lookup(c.name)
		return err == nil && e.Path != c.path
	}
	return c.verb == zone.Install || c.verb == zone.Clone
}

func (c *zonepathCheck) exists() bool {
	if !strings.HasPrefix(c.path, "/") {
		c.fail("%s is not an absolute path.", c.path)
		return false
	}
	_, err := os.Lstat(c.path)
	switch {
	case err == nil:
		return true
	case !errors.Is(err, fs.ErrNotExist):
	case c.verb == zone.Verify && c.state == zone.Configured:
		c.m.Talk.Bare(fmt.Sprintf("WARNING: %s does not exist, so it could not be verified.\n"+
			"Installing the zone makes it and verifies again; that fails if the parent\n"+
			"folder can be written to by others than root, or if another zone is there.", c.path))
		return false
	case c.makes() && filepath.Clean(c.path) != c.path:
		err = errPath
	case c.makes():
		c.above = lowestAbove(c.path)
		return true
	}
	c.m.Talk.Subject(c.path, err)
	c.failed = true
	return false
}

// missing are a path and what is above it, the lowest first, as far as none of
// it exists.
func missing(path string) (dirs []string) {
	for dir := path; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			return dirs
		}
		dirs = append(dirs, dir)
	}
}

// lowestAbove is the lowest folder above a path that exists.
func lowestAbove(path string) string {
	if dirs := missing(path); len(dirs) > 0 {
		path = dirs[len(dirs)-1]
	}
	return filepath.Dir(path)
}

// makeZonepath makes a zonepath that only root can enter, below folders that
// everybody can. What it made is gone again when that fails.
func makeZonepath(path string) error {
	dirs := missing(path)
	for i := len(dirs) - 1; i >= 0; i-- {
		mode := fs.FileMode(0o755)
		if i == 0 {
			mode = 0o700
		}
		if err := os.Mkdir(dirs[i], mode); err != nil && !errors.Is(err, fs.ErrExist) {
			removeEmpty(dirs[i+1:])
			return subject(path, bareErr(err))
		}
	}
	return nil
}

// removeEmpty removes those of some folders, the lowest first, that hold nothing.
func removeEmpty(dirs []string) {
	for _, dir := range dirs {
		_ = os.Remove(dir)
	}
}

// keepPrivate takes a zonepath that came from elsewhere away from whoever had
// it there: programs in it may run with the rights of their owners.
func keepPrivate(path string) error {
	fd, err := unix.Open(path, folderFlags, 0)
	if err == nil {
		err = closeUp(fd)
		unix.Close(fd)
	}
	if err != nil {
		return subject(path, err)
	}
	return nil
}

// closeUp gives an open folder to root alone.
func closeUp(fd int) error {
	if err := unix.Fchown(fd, 0, 0); err != nil {
		return err
	}
	return unix.Fchmod(fd, 0o700)
}

// there is the zonepath, or the folder that will hold it.
func (c *zonepathCheck) there() string {
	if c.above != "" {
		return c.above
	}
	return c.path
}

func (c *zonepathCheck) isFolder() bool {
	if real, err := filepath.EvalSymlinks(c.there()); err != nil || real != c.there() {
		c.m.Talk.Subject(c.path, errPath)
		c.failed = true
		return false
	}
	if c.above != "" {
		return true
	}
	if info, err := os.Lstat(c.path); err != nil || !info.IsDir() {
		c.fail("%s is not a directory.", c.path)
		return false
	}
	return true
}

// errPath is how the library has always called a path with links or dots.
var errPath = errors.New("Resolved path mismatch")

func (c *zonepathCheck) overlaps() {
	entries, err := c.m.Store.Index()
	if err != nil {
		c.m.Talk.Named("could not get zone path", reason(err))
		c.failed = true
		return
	}
	for _, e := range entries {
		if e.Name == c.name || e.Name == zone.Global || e.Path == "" || e.State == zone.Configured {
			continue
		}
		path := c.m.Store.Root() + e.Path
		if within(c.path, path) || within(path, c.path) {
			c.fail("%s zonepath (%s) and %s zonepath (%s) overlap.", c.name, c.path, e.Name, path)
		} else if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) && e.State == zone.Installed {
			c.m.Talk.Print(fmt.Sprintf("WARNING: zone %s is installed, but its zonepath %s does not exist.",
				e.Name, path))
		}
	}
}

// within reports whether path is dir or below it, by whole components.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// bits are the permissions that a folder must and must not have.
type bit struct {
	mask uint32
	want bool
	text string
}

var ownerBits = []bit{
	{unix.S_IRUSR, true, "must be owner readable"},
	{unix.S_IWUSR, true, "must be owner writable"},
	{unix.S_IXUSR, true, "must be owner executable"},
}

var privateBits = append(ownerBits[:len(ownerBits):len(ownerBits)],
	bit{unix.S_IRGRP, false, "must not be group readable"},
	bit{unix.S_IWGRP, false, "must not be group writable"},
	bit{unix.S_IXGRP, false, "must not be group executable"},
	bit{unix.S_IROTH, false, "must not be world readable"},
	bit{unix.S_IWOTH, false, "must not be world writable"},
	bit{unix.S_IXOTH, false, "must not be world executable"})

var parentBits = append(ownerBits[:len(ownerBits):len(ownerBits)],
	bit{unix.S_IWGRP, false, "must not be group writable"},
	bit{unix.S_IWOTH, false, "must not be world writable"})

// owner checks who owns the zonepath and what others may do there.
func (c *zonepathCheck) owner() {
	if c.above != "" {
		return
	}
	var st unix.Stat_t
	if err := unix.Lstat(c.path, &st); err != nil {
		c.m.Talk.Subject(c.path, err)
		c.failed = true
		return
	}
	if st.Uid != 0 {
		c.m.Talk.Bare(c.path + " is not owned by root.")
		c.repair("changing owner to root.", func() error { return os.Lchown(c.path, 0, int(st.Gid)) })
	}
	if c.modes(c.path, st.Mode, privateBits) {
		c.repair("changing permissions to 0700.", func() error { return os.Chmod(c.path, 0o700) })
	}
}

// repair notes how something that was found wrong is set right.
func (c *zonepathCheck) repair(what string, do func() error) {
	if !c.repairs() {
		c.failed = true
		return
	}
	c.mend = append(c.mend, func() error {
		c.m.Talk.Bare(c.path + ": " + what)
		return bareErr(do())
	})
}

// modes says which bits are wrong and reports whether any is.
func (c *zonepathCheck) modes(path string, mode uint32, bits []bit) bool {
	wrong := false
	for _, b := range bits {
		if (mode&b.mask != 0) != b.want {
			c.m.Talk.Bare(path + " " + b.text + ".")
			wrong = true
		}
	}
	return wrong
}

func (c *zonepathCheck) parent() {
	parent := filepath.Dir(c.path)
	if c.above != "" && c.above != parent {
		return // it is made as it should be
	}
	var here, up unix.Stat_t
	if c.above == "" && unix.Lstat(c.path, &here) != nil || unix.Lstat(parent, &up) != nil {
		c.fail("%s cannot be examined.", parent)
		return
	}
	if c.above == "" && here.Dev == up.Dev && here.Ino == up.Ino {
		c.fail("%s is its own parent.", c.path)
		return
	}
	if up.Uid != 0 {
		c.fail("%s is not owned by root.", parent)
	}
	if c.modes(parent, up.Mode, parentBits) {
		c.failed = true
	}
}

func (c *zonepathCheck) filesystem() {
	var st unix.Statfs_t
	if err := unix.Statfs(c.there(), &st); err != nil {
		c.m.Talk.Subject(c.path, err)
		c.failed = true
		return
	}
	switch st.Type {
	case unix.TMPFS_MAGIC:
		c.m.Talk.Print(fmt.Sprintf("WARNING: %s is on a temporary file system.", c.path))
	case unix.NFS_SUPER_MAGIC:
		c.fail("Zonepath %s is on an NFS mounted file system.\n"+
			"\tA zone must be installed on a file system of this machine.", c.path)
	}
	if st.Flags&unix.ST_NOSUID != 0 {
		c.fail("Zonepath %s is on a nosuid file system.", c.path)
	}
}

// existingRoot looks at a root that is there before the zone is installed: one
// that was detached is not taken, one of another kind must be sound.
func (c *zonepathCheck) existingRoot() {
	root := filepath.Join(c.path, rootName)
	var st unix.Stat_t
	if unix.Lstat(root, &st) != nil {
		return
	}
	if _, err := os.Lstat(filepath.Join(c.path, detachedName)); err == nil {
		c.fail("Cannot %v detached zone.\nUse attach or remove %s directory.", c.verb, c.path)
		return
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		c.fail("%s is not a directory.", root)
		return
	}
	if st.Uid != 0 {
		c.fail("%s is not owned by root.", root)
	}
	if st.Mode&0o7777 != 0o755 {
		c.fail("%s mode is not 0755.", root)
	}
}

// bareErr takes the path off an error of the os package: messages name it.
func bareErr(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}

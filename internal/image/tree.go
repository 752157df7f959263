// SPDX-License-Identifier: Apache-2.0

package image

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A tree is the directory that is being filled. Every name is resolved by the
// kernel below its descriptor: the source may make links as it likes, but they
// lead nowhere else. Nobody but the tree changes the directory meanwhile.
type tree struct {
	path    string // as the caller named it
	root    int
	resolve uint64 // how links in the middle of a name are taken
	asRoot  bool
	opts    Options
	meter   *meter
	parents map[string]int  // open directories, by the name they were reached by
	order   []string        // their names, oldest first
	later   map[string]meta // of directories: it waits for their members
	notes   notes
	entries int
	held    int // bytes of names and attributes that are held in memory
	written int64
	checked int64 // written when the free space was last looked at
	reserve uint64
	buf     []byte
	// interrupted is asked now and then, also within a large file.
	interrupted func() error
}

// meta is what a file has besides content.
type meta struct {
	mode         uint32 // permission bits with setuid, setgid and sticky
	uid, gid     int
	mtime, atime time.Time
	xattrs       []xattr
	ino          uint64 // of the directory that it waits for
}

// size is what the attributes take in memory.
func (m meta) size() int {
	n := 0
	for _, x := range m.xattrs {
		n += len(x.name) + len(x.value)
	}
	return n
}

// Links in the middle of a name either must stay below the root, as tar(1)
// has it, or are taken as the zone itself would take them, as OCI layers need:
// a layer may say var/run/x where an earlier one made var/run a link to /run.
const (
	strictLinks = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS
	zoneLinks   = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS
)

const maxParents = 64

func openTree(root string, opts Options) (*tree, error) {
	fd, err := unix.Open(root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", root, err)
	}
	t := &tree{
		path: root, root: fd, resolve: strictLinks, asRoot: os.Geteuid() == 0, opts: opts,
		parents: map[string]int{".": fd}, later: map[string]meta{}, buf: make([]byte, copySize), meter: &meter{},
		interrupted: func() error { return nil },
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err == nil {
		// The last percent is left to the host: a full pool or disk is
		// trouble for more than this tree.
		t.reserve = min(st.Blocks/100*uint64(st.Bsize), 1<<30)
	}
	return t, nil
}

func (t *tree) close() {
	t.forget()
	unix.Close(t.root)
}

// forget drops the open directories: after anything but an addition, a name
// may lead elsewhere.
func (t *tree) forget() {
	for name, fd := range t.parents {
		if fd != t.root {
			unix.Close(fd)
		}
		delete(t.parents, name)
	}
	t.parents["."] = t.root
	t.order = t.order[:0]
}

// clean turns a member's name into one relative to the root, without dots.
func clean(name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		return "", fmt.Errorf("%w: it is absolute", ErrEscape)
	}
	if strings.IndexByte(name, 0) >= 0 {
		return "", fmt.Errorf("%w: the name holds a NUL", ErrCorrupt)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", fmt.Errorf("%w: it contains '..'", ErrEscape)
		}
	}
	return path.Clean(name), nil
}

// count is called once for each member, and for each directory that members
// imply: one long name would be thousands of them otherwise.
func (t *tree) count() error {
	t.entries++
	t.meter.files.Store(int64(t.entries))
	if t.entries > t.opts.MaxFiles {
		return fmt.Errorf("%w: more than %d", ErrEntries, t.opts.MaxFiles)
	}
	return nil
}

// maxHeld bounds what is held in memory of a source until its end: attributes
// of directories, and names. What is held of a root of a million directories is
// well below that. Tests set it.
var maxHeld = 512 << 20

func (t *tree) hold(n int) error {
	if t.held += n; t.held > maxHeld {
		return fmt.Errorf("%w: its names and attributes add up to more than %d bytes", ErrBomb, maxHeld)
	}
	return nil
}

func (t *tree) open(name string, flags int) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: t.resolve}
	for {
		fd, err := unix.Openat2(t.root, name, &how)
		switch err {
		case unix.EINTR, unix.EAGAIN:
			continue
		case unix.EXDEV, unix.ELOOP:
			return -1, fmt.Errorf("%w: a link on its way does", ErrEscape)
		}
		return fd, err
	}
}

// parent returns a descriptor of the directory that holds name, which is
// clean, and makes that directory when the source left it out. The descriptor
// belongs to the tree.
func (t *tree) parent(name string) (int, string, error) {
	dir, base := path.Split(name)
	fd, err := t.directory(path.Clean(dir))
	return fd, base, err
}

func (t *tree) directory(dir string) (int, error) {
	if fd, ok := t.parents[dir]; ok {
		return fd, nil
	}
	fd, err := t.open(dir, unix.O_PATH|unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOENT) {
		above, base, perr := t.parent(dir)
		if perr != nil {
			return -1, perr
		}
		if err := t.count(); err != nil {
			return -1, err
		}
		if err := unix.Mkdirat(above, base, 0o755); err != nil {
			// What exists and yet is not found is a link to nowhere.
			if err == unix.EEXIST {
				return -1, fmt.Errorf("%w: a link on its way leads to nothing", ErrEscape)
			}
			return -1, err
		}
		fd, err = t.open(dir, unix.O_PATH|unix.O_DIRECTORY)
	}
	if err != nil {
		return -1, err
	}
	if len(t.order) >= maxParents {
		unix.Close(t.parents[t.order[0]])
		delete(t.parents, t.order[0])
		t.order = t.order[1:]
	}
	t.parents[dir] = fd
	t.order = append(t.order, dir)
	return fd, nil
}

// place calls create for name, and once more after having removed what stands
// there. What is a directory is removed only when empty, unless deep.
func (t *tree) place(name string, deep bool, create func(dir int, base string) error) error {
	if name == "." {
		return fmt.Errorf("%w: the root itself must be a directory", ErrEscape)
	}
	dir, base, err := t.parent(name)
	if err != nil {
		return err
	}
	if err := create(dir, base); err != unix.EEXIST {
		return err
	}
	if err := t.clear(dir, base, name, deep); err != nil {
		return err
	}
	t.forget()
	if dir, base, err = t.parent(name); err != nil {
		return err
	}
	return create(dir, base)
}

// clear removes base of dir, which is called name.
func (t *tree) clear(dir int, base, name string, deep bool) error {
	err := unix.Unlinkat(dir, base, 0)
	if err != unix.EISDIR {
		return err
	}
	if deep {
		return t.removeAll(dir, base, name, 0)
	}
	return unix.Unlinkat(dir, base, unix.AT_REMOVEDIR)
}

// mkdir makes a directory, or takes the one there. Its meta is applied by
// finish: members would change the times, be kept out by the mode, and inherit
// a default ACL.
func (t *tree) mkdir(name string, m meta, deep bool) error {
	if err := t.count(); err != nil {
		return err
	}
	if err := t.checkIDs(m); err != nil {
		return err
	}
	if err := t.hold(len(name) + m.size()); err != nil {
		return err
	}
	if before, ok := t.later[name]; ok {
		t.held -= len(name) + before.size()
	}
	var st unix.Stat_t
	err := unix.Fstat(t.root, &st)
	if name != "." {
		err = t.place(name, deep, func(dir int, base string) error {
			err := unix.Mkdirat(dir, base, 0o700)
			if err == nil || err == unix.EEXIST {
				if serr := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); serr != nil {
					return serr
				}
			}
			if err == unix.EEXIST && st.Mode&unix.S_IFMT == unix.S_IFDIR {
				return nil
			}
			return err
		})
	}
	m.ino = st.Ino
	t.later[name] = m
	return err
}

// file makes a regular file; fill writes its content.
func (t *tree) file(name string, m meta, deep bool, fill func(fd int) error) error {
	if err := t.count(); err != nil {
		return err
	}
	if err := t.checkIDs(m); err != nil {
		return err
	}
	return t.place(name, deep, func(dir int, base string) error {
		const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
		fd, err := unix.Openat(dir, base, flags, 0o600)
		if err != nil {
			return err
		}
		if err = fill(fd); err == nil {
			err = t.applyFile(fd, m)
		}
		if cerr := unix.Close(fd); err == nil {
			err = cerr
		}
		return err
	})
}

// applyFile gives an open file its owner, mode, attributes and times, in this
// order: a change of owner drops setuid and capabilities, a write the times.
func (t *tree) applyFile(fd int, m meta) error {
	if t.asRoot {
		if err := unix.Fchown(fd, m.uid, m.gid); err != nil {
			return err
		}
	}
	if err := unix.Fchmod(fd, m.mode); err != nil {
		return err
	}
	for _, x := range m.xattrs {
		if err := t.setXattr(fd, x); err != nil {
			return err
		}
	}
	return futimes(fd, m)
}

func (t *tree) symlink(name, target string, m meta, deep bool) error {
	if err := t.count(); err != nil {
		return err
	}
	if err := t.checkIDs(m); err != nil {
		return err
	}
	return t.place(name, deep, func(dir int, base string) error {
		if err := unix.Symlinkat(target, dir, base); err != nil {
			return err
		}
		return t.applyName(dir, base, m)
	})
}

func (t *tree) fifo(name string, m meta, deep bool) error {
	if err := t.count(); err != nil {
		return err
	}
	if err := t.checkIDs(m); err != nil {
		return err
	}
	return t.place(name, deep, func(dir int, base string) error {
		if err := unix.Mknodat(dir, base, unix.S_IFIFO|0o600, 0); err != nil {
			return err
		}
		if err := t.applyName(dir, base, m); err != nil {
			return err
		}
		// It was made a moment ago by O_EXCL rules: no link can stand here.
		return unix.Fchmodat(dir, base, m.mode, 0)
	})
}

// applyName gives what is not opened its owner and times.
func (t *tree) applyName(dir int, base string, m meta) error {
	if t.asRoot {
		if err := unix.Fchownat(dir, base, m.uid, m.gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	ts := times(m)
	return unix.UtimesNanoAt(dir, base, ts[:], unix.AT_SYMLINK_NOFOLLOW)
}

// link makes name another name of the file old. Both are clean. The content
// of old was made by the source as well: links out of the root cannot be made.
func (t *tree) link(name, old string, deep bool) error {
	if err := t.count(); err != nil {
		return err
	}
	if name == old {
		return nil
	}
	oldDir, oldBase, err := t.parent(old)
	if err != nil {
		return fmt.Errorf("link to %q: %w", old, err)
	}
	// The look-up of name may push old's directory out of the cache.
	oldDir, err = unix.FcntlInt(uintptr(oldDir), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(oldDir)
	err = t.place(name, deep, func(dir int, base string) error {
		return unix.Linkat(oldDir, oldBase, dir, base, 0)
	})
	if err == unix.ENOENT {
		return fmt.Errorf("%w: it is a link to %q, which is not in the archive", ErrCorrupt, old)
	}
	return err
}

// finish applies what waited for the members, the deepest directory first.
func (t *tree) finish() error {
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(t.later))) {
		if err := t.interrupted(); err != nil {
			return err
		}
		if err := t.finishDir(name, t.later[name]); err != nil {
			return &EntryError{name, err}
		}
	}
	t.meter.finish()
	return nil
}

// finishEarly applies what waits for the members of a directory that gets no
// more of them. Nothing is held of it any longer.
func (t *tree) finishEarly(name string) error {
	m := t.later[name]
	t.held -= len(name) + m.size()
	delete(t.later, name)
	return t.finishDir(name, m)
}

func (t *tree) finishDir(name string, m meta) error {
	fd, err := t.open(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err != nil {
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, ErrEscape) {
			return nil // a later member took its place
		}
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Ino != m.ino {
		return nil // it was taken away, and the name leads to another one
	}
	return t.applyFile(fd, m)
}

func (t *tree) checkIDs(m meta) error {
	for _, id := range [...]int{m.uid, m.gid} {
		if id < 0 || id > t.opts.MaxID {
			return fmt.Errorf("%w: %d, the highest is %d", ErrID, id, t.opts.MaxID)
		}
	}
	return nil
}

// removeAll removes base of dir, which is called name, and everything below,
// without following links. Nothing waits for the directories any more: what
// gets their names is another one.
func (t *tree) removeAll(dir int, base, name string, depth int) error {
	err := unix.Unlinkat(dir, base, 0)
	if err != unix.EISDIR {
		return err
	}
	if depth > 512 {
		return fmt.Errorf("remove %q: %w", base, unix.ELOOP)
	}
	fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), base)
	defer f.Close()
	members, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, member := range members {
		if err := t.removeAll(fd, member, path.Join(name, member), depth+1); err != nil {
			return err
		}
	}
	delete(t.later, name)
	return unix.Unlinkat(dir, base, unix.AT_REMOVEDIR)
}

// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// A copying carries a directory over into a tree. The directory may be a
// hostile one, but nobody changes it meanwhile who could not change the copy.
type copying struct {
	t     *tree
	ctx   context.Context
	to    inode            // the tree's root, should the source contain it
	links map[inode]string // files with several names, by the first name copied
	clone bool             // whether extents may be shared; false once refused
}

type inode struct{ dev, ino uint64 }

func (s *Source) copyDirectory(ctx context.Context, t *tree) error {
	var st unix.Stat_t
	if err := unix.Fstat(t.root, &st); err != nil {
		return err
	}
	c := &copying{t: t, ctx: ctx, to: inode{st.Dev, st.Ino}, links: map[inode]string{}, clone: true}
	if err := unix.Fstat(int(s.file.Fd()), &st); err != nil {
		return err
	}
	if c.to == (inode{st.Dev, st.Ino}) {
		return errors.New("the source and the root are the same directory")
	}
	t.meter = s.meter(c.total(int(s.file.Fd()), s.opts.Progress != nil))
	fd, err := again(int(s.file.Fd()))
	if err != nil {
		return err
	}
	return c.directory(fd, ".", &st)
}

// again opens the open directory dir once more, to be read from its start.
func again(dir int) (int, error) {
	return unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

// total is how much there is to copy of dir, in bytes; 0 when that cannot be
// told without a walk, which is made only if somebody waits for the answer.
func (c *copying) total(dir int, waiting bool) int64 {
	if use := mountedUse(dir); use > 0 || !waiting {
		return use
	}
	fd, err := again(dir)
	if err != nil {
		return 0
	}
	v := &survey{ctx: c.ctx, skip: c.to, seen: map[inode]struct{}{}}
	v.add(fd)
	return v.bytes
}

// mountedUse is what a file system holds, in bytes, if dir is where it is
// mounted; 0 for another directory.
func mountedUse(dir int) int64 {
	var here, above unix.Stat_t
	var fs unix.Statfs_t
	if unix.Fstat(dir, &here) != nil || unix.Fstatat(dir, "..", &above, 0) != nil || here.Dev == above.Dev || unix.Fstatfs(dir, &fs) != nil {
		return 0
	}
	return int64(fs.Blocks-fs.Bfree) * fs.Frsize
}

// directory copies the open directory fd, and closes it.
func (c *copying) directory(fd int, name string, st *unix.Stat_t) error {
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	m, err := c.meta(fd, st)
	if err != nil {
		return &EntryError{name, err}
	}
	if err := c.t.mkdir(name, m, false); err != nil {
		return &EntryError{name, err}
	}
	if len(name) > 4000 {
		return &EntryError{name, unix.ENAMETOOLONG}
	}
	for {
		members, err := f.Readdirnames(1024)
		for _, member := range members {
			if err := c.ctx.Err(); err != nil {
				return err
			}
			if err := c.member(fd, member, path.Join(name, member)); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return entry(name, c.t.finishEarly(name))
		}
		if err != nil {
			return &EntryError{name, err}
		}
	}
}

func (c *copying) member(dir int, base, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &EntryError{name, err}
	}
	if base == ".zfs" && st.Ino == snapshotsInode {
		return nil
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return c.subdirectory(dir, base, name)
	}
	id := inode{st.Dev, st.Ino}
	if first, ok := c.links[id]; ok && st.Nlink > 1 {
		return entry(name, c.t.link(name, first, false))
	}
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		err = c.file(dir, base, name)
	case unix.S_IFLNK:
		err = c.symlink(dir, base, name, &st)
	case unix.S_IFIFO:
		err = c.t.fifo(name, statMeta(&st), false)
	case unix.S_IFSOCK:
		c.t.notes.add("sockets skipped", name)
		return nil
	default:
		c.t.notes.add("device nodes skipped", name)
		return nil
	}
	if err == nil && st.Nlink > 1 {
		c.links[id] = name
	}
	return entry(name, err)
}

func entry(name string, err error) error {
	if err == nil {
		return nil
	}
	return &EntryError{name, err}
}

func (c *copying) subdirectory(dir int, base, name string) error {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(dir, base, flags, 0)
	if err != nil {
		return &EntryError{name, err}
	}
	var st unix.Stat_t
	var fs unix.Statfs_t
	if err = unix.Fstat(fd, &st); err == nil {
		err = unix.Fstatfs(fd, &fs)
	}
	if err != nil {
		unix.Close(fd)
		return &EntryError{name, err}
	}
	if c.to == (inode{st.Dev, st.Ino}) {
		unix.Close(fd)
		c.t.notes.add("the copy itself skipped", name)
		return nil
	}
	if kernelFS(fs.Type) {
		// What a running system shows there is no part of its root.
		unix.Close(fd)
		c.t.notes.add("content of kernel file systems skipped", name)
		m := meta{mode: 0o755, mtime: time.Unix(st.Mtim.Unix())}
		return entry(name, c.t.mkdir(name, m, false))
	}
	return c.directory(fd, name, &st)
}

// snapshotsInode is that of the folder .zfs which a file system of ZFS may be
// set to show, and tells it from one that somebody made.
const snapshotsInode = 0x0000ffffffffffff

// kernelFS reports whether a file system shows the kernel instead of keeping
// files.
func kernelFS(magic int64) bool {
	switch uint32(magic) {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEVPTS_SUPER_MAGIC, unix.CGROUP_SUPER_MAGIC,
		unix.CGROUP2_SUPER_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC,
		unix.BPF_FS_MAGIC, unix.PSTOREFS_MAGIC, unix.EFIVARFS_MAGIC, unix.BINFMTFS_MAGIC, unix.NSFS_MAGIC:
		return true
	}
	return false
}

// file copies a regular file: by sharing its extents where the file system
// can, else its data, leaving its holes.
func (c *copying) file(dir int, base, name string) error {
	fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errors.New("it changed while it was copied")
	}
	m, err := c.meta(fd, &st)
	if err != nil {
		return err
	}
	return c.t.file(name, m, false, func(to int) error {
		c.t.meter.add(st.Blocks * 512)
		if c.clone && st.Size > 0 {
			if err := unix.IoctlFileClone(to, fd); err == nil {
				return nil
			}
			c.clone = st.Dev == c.to.dev
		}
		return c.extents(to, fd, &st)
	})
}

// extents copies what is not a hole.
func (c *copying) extents(to, from int, st *unix.Stat_t) error {
	if st.Blocks*512 >= st.Size {
		return c.t.write(to, &offsetReader{from, 0}, st.Size, plainBlock)
	}
	for off := int64(0); off < st.Size; {
		data, err := unix.Seek(from, off, unix.SEEK_DATA)
		if err == unix.ENXIO {
			break
		}
		end := st.Size
		if err == nil {
			end, err = unix.Seek(from, data, unix.SEEK_HOLE)
		} else if err == unix.EINVAL {
			data, end, err = off, st.Size, nil // it knows no holes
		}
		if err != nil {
			return err
		}
		for data < end {
			n := min(end-data, int64(len(c.t.buf)))
			if _, err := io.ReadFull(&offsetReader{from, data}, c.t.buf[:n]); err != nil {
				return fmt.Errorf("read: %w", err)
			}
			if err := c.t.writeAll(to, c.t.buf[:n], data); err != nil {
				return err
			}
			data += n
		}
		off = end
	}
	return unix.Ftruncate(to, st.Size)
}

type offsetReader struct {
	fd  int
	off int64
}

func (r *offsetReader) Read(p []byte) (int, error) {
	n, err := unix.Pread(r.fd, p, r.off)
	if err != nil {
		return 0, err
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	r.off += int64(n)
	return n, nil
}

func (c *copying) symlink(dir int, base, name string, st *unix.Stat_t) error {
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, base, target)
	if err != nil {
		return err
	}
	return c.t.symlink(name, string(target[:n]), statMeta(st), false)
}

func statMeta(st *unix.Stat_t) meta {
	return meta{
		mode: st.Mode & 0o7777, uid: int(st.Uid), gid: int(st.Gid),
		mtime: time.Unix(st.Mtim.Unix()), atime: time.Unix(st.Atim.Unix()),
	}
}

func (c *copying) meta(fd int, st *unix.Stat_t) (meta, error) {
	m := statMeta(st)
	var err error
	m.xattrs, err = readXattrs(fd, func(name string) {
		c.t.notes.add("attributes of the machine it came from left out", name)
	})
	return m, err
}

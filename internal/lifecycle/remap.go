// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"zones/internal/schema"
	"zones/internal/zfs"
)

// A shift replaces the ids of one range by those of another, on what is stored.
// Ids outside the old range stay; so a shift that was cut off can be made again.
type shift struct {
	From, To, Size uint64
}

// plain says that the ids are those of a zone without a range, on illumos.
func (s shift) plain() bool { return s.From == 0 }

func (s shift) id(n uint32) (uint32, bool) {
	if uint64(n) < s.From || uint64(n) >= s.From+s.Size {
		return n, false
	}
	return uint32(uint64(n) - s.From + s.To), true
}

// remap shifts the ids in all datasets that are delegated to a zone. The
// datasets are mounted where nobody else can see them, and nothing in them is
// followed or run.
func (m *Manager) remap(ctx context.Context, z *subjectZone, s shift) error {
	for _, res := range z.cfg.All(schema.DatasetResource) {
		top := res.Text(schema.DatasetName.Property)
		kind, err := zfs.TypeOf(ctx, top)
		if err != nil {
			return fmt.Errorf("change ids in %s: %w", top, err)
		}
		if kind != zfs.Filesystem {
			continue
		}
		// One that no zone has had yet has ids of this host.
		if used, err := usedByZone(ctx, top); err != nil || s.plain() && !used {
			if err != nil {
				return err
			}
			continue
		}
		below, err := zfs.Children(ctx, top)
		if err != nil {
			return fmt.Errorf("change ids in %s: %w", top, err)
		}
		for _, name := range append([]string{top}, below...) {
			if kind, err := zfs.TypeOf(ctx, name); err != nil || kind != zfs.Filesystem {
				continue
			}
			if err := s.dataset(ctx, name); err != nil {
				return fmt.Errorf("change ids in %s: %w", name, err)
			}
		}
	}
	return nil
}

func (s shift) dataset(ctx context.Context, name string) error {
	if _, err := zfs.Value(ctx, name, "mounted"); err != nil {
		return err
	}
	return privately(name, func(fd int) error { return s.folder(ctx, fd) })
}

// privately opens the root of a file system that is mounted meanwhile where
// nobody else can see it, and nothing in it can be run.
func privately(dataset string, do func(fd int) error) error {
	dir, err := os.MkdirTemp("/run/zones", "private")
	if err != nil {
		return err
	}
	defer os.Remove(dir)
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	if err := unix.Mount(dataset, dir, "zfs", flags, "zfsutil"); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	// It stays until fd is closed, and goes with whoever is killed meanwhile.
	if err2 := unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err == nil && err2 != nil {
		unix.Close(fd)
		return fmt.Errorf("unmount: %w", err2)
	}
	_ = os.Remove(dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return do(fd)
}

// folder shifts a folder and what is in it, depth first.
func (s shift) folder(ctx context.Context, fd int) error {
	copied, err := unix.Dup(fd)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(copied), "folder")
	defer f.Close()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		names, err := f.Readdirnames(1000)
		if len(names) == 0 {
			break
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := s.entry(ctx, fd, name); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return s.own(fd)
}

func (s shift) entry(ctx context.Context, dir int, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return s.folder(ctx, fd)
	case unix.S_IFREG:
		fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return s.own(fd)
	}
	uid, changed := s.id(st.Uid)
	gid, other := s.id(st.Gid)
	if !changed && !other {
		return nil
	}
	return unix.Fchownat(dir, name, int(uid), int(gid), unix.AT_SYMLINK_NOFOLLOW)
}

// The attributes in which ids stand besides the owner and the group.
const (
	capability = "security.capability"
	accessACL  = "system.posix_acl_access"
	defaultACL = "system.posix_acl_default"
)

// own shifts what an open file or folder carries. A new owner costs a file its
// set-user-id bits and capabilities, so these are written again.
func (s shift) own(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	caps := attribute(fd, capability)
	uid, changed := s.id(st.Uid)
	gid, other := s.id(st.Gid)
	if changed || other {
		if err := unix.Fchown(fd, int(uid), int(gid)); err != nil {
			return err
		}
	}
	for _, name := range []string{accessACL, defaultACL} {
		if acl := attribute(fd, name); s.acl(acl) {
			if err := unix.Fsetxattr(fd, name, acl, 0); err != nil {
				return err
			}
		}
	}
	if s.capabilities(caps) || changed && caps != nil {
		if err := unix.Fsetxattr(fd, capability, caps, 0); err != nil {
			return err
		}
	}
	if changed || other {
		return unix.Fchmod(fd, st.Mode&0o7777)
	}
	return nil
}

// attribute reads an extended attribute; nil when there is none.
func attribute(fd int, name string) []byte {
	value := make([]byte, 64<<10)
	n, err := unix.Fgetxattr(fd, name, value)
	if err != nil || n <= 0 {
		return nil
	}
	return value[:n]
}

// acl shifts the ids in a POSIX ACL as the kernel shows it: a version of four
// bytes, then entries of tag, permissions and id.
func (s shift) acl(value []byte) bool {
	const head, size, user, group = 4, 8, 0x02, 0x08
	any := false
	for at := head; at+size <= len(value); at += size {
		tag := binary.LittleEndian.Uint16(value[at:])
		if tag != user && tag != group {
			continue
		}
		id, changed := s.id(binary.LittleEndian.Uint32(value[at+4:]))
		if changed {
			binary.LittleEndian.PutUint32(value[at+4:], id)
			any = true
		}
	}
	return any
}

// capabilities shifts the root whose capabilities a file carries: the last four
// bytes of their third version.
func (s shift) capabilities(value []byte) bool {
	const third, size = 0x03000000, 24
	if len(value) != size || binary.LittleEndian.Uint32(value)&0xff000000 != third {
		return false
	}
	id, changed := s.id(binary.LittleEndian.Uint32(value[20:]))
	if changed {
		binary.LittleEndian.PutUint32(value[20:], id)
	}
	return changed
}

// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

// A survey adds up what a directory will be copied as, for whoever waits for
// that. What cannot be looked at counts nothing: the copy will say so.
type survey struct {
	ctx   context.Context
	skip  inode // the tree's root, should the directory contain it
	seen  map[inode]struct{}
	bytes int64
}

// add counts what the open directory fd holds, and closes it.
func (v *survey) add(fd int) {
	f := os.NewFile(uintptr(fd), "directory")
	defer f.Close()
	for v.ctx.Err() == nil {
		members, err := f.Readdirnames(1024)
		for _, member := range members {
			v.member(fd, member)
		}
		if err != nil {
			return
		}
	}
}

func (v *survey) member(dir int, base string) {
	var st unix.Stat_t
	if unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || base == ".zfs" && st.Ino == snapshotsInode {
		return
	}
	id := inode{st.Dev, st.Ino}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		if _, ok := v.seen[id]; ok {
			return
		}
		if st.Nlink > 1 {
			v.seen[id] = struct{}{}
		}
		v.bytes += st.Blocks * 512
	case unix.S_IFDIR:
		var fs unix.Statfs_t
		fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		switch {
		case err != nil:
		case id == v.skip, unix.Fstatfs(fd, &fs) != nil, kernelFS(fs.Type):
			unix.Close(fd)
		default:
			v.add(fd)
		}
	}
}

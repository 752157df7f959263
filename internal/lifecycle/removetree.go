// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"zones/internal/cli"
)

// removeTree removes a file, or a folder and all in it, not following links and
// not entering what is mounted below it: that is somebody else's.
func (m *Manager) removeTree(path string) error {
	if err := removeAll(path); err != nil {
		m.Talk.About(fmt.Sprintf("cannot remove %s: %v", path, cli.Reason(err)))
		return bareErr(err)
	}
	return nil
}

func removeAll(path string) error {
	err := os.Remove(path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	fd, openErr := unix.Open(path, folderFlags, 0)
	switch {
	case errors.Is(openErr, unix.ENOENT):
		return nil
	case errors.Is(openErr, unix.ENOTDIR), errors.Is(openErr, unix.ELOOP):
		return err
	case openErr != nil:
		return openErr
	}
	r := &removal{top: fd}
	err = r.clear(fd, 0)
	unix.Close(fd)
	if err != nil {
		return err
	}
	return unlessGone(os.Remove(path))
}

const folderFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// removeDepth is how deep a removal goes down with a descriptor open at each
// level.
const removeDepth = 128

// A removal removes a tree that a zone has made, which may be deeper than there
// are descriptors: what lies too deep is moved up to the top, for another pass.
type removal struct {
	top   int
	moved int
}

// clear removes what an open folder holds. What is moved up meanwhile, or passed
// over because the folder changes as it is read, is seen by the next pass.
func (r *removal) clear(fd, depth int) error {
	for {
		some, err := r.pass(fd, depth)
		if err != nil || !some {
			return err
		}
	}
}

func (r *removal) pass(fd, depth int) (some bool, err error) {
	again, err := unix.Openat(fd, ".", folderFlags, 0)
	if err != nil {
		return false, unlessGone(err)
	}
	f := os.NewFile(uintptr(again), "folder")
	defer f.Close()
	for {
		names, err := f.Readdirnames(1024)
		if len(names) == 0 {
			if err == io.EOF {
				err = nil
			}
			return some, unlessGone(bareErr(err))
		}
		some = true
		for _, name := range names {
			if err := r.entry(fd, name, depth); err != nil {
				return some, err
			}
		}
	}
}

func (r *removal) entry(dir int, name string, depth int) error {
	err := unix.Unlinkat(dir, name, 0)
	if err != unix.EISDIR && err != unix.EPERM {
		return unlessGone(err)
	}
	fd, openErr := unix.Openat2(dir, name, &unix.OpenHow{Flags: folderFlags, Resolve: unix.RESOLVE_NO_XDEV})
	switch {
	case openErr == unix.EXDEV:
		return unix.EBUSY
	case openErr == unix.ENOTDIR, openErr == unix.ELOOP:
		return err
	case openErr != nil:
		return unlessGone(openErr)
	}
	defer unix.Close(fd)
	if depth >= removeDepth {
		return r.moveUp(dir, name)
	}
	if err := r.clear(fd, depth+1); err != nil {
		return err
	}
	return unlessGone(unix.Unlinkat(dir, name, unix.AT_REMOVEDIR))
}

// moveUp gives a folder a name at the top that nothing there has.
func (r *removal) moveUp(dir int, name string) error {
	for {
		r.moved++
		err := unix.Renameat2(dir, name, r.top, fmt.Sprintf(".removed-%d", r.moved), unix.RENAME_NOREPLACE)
		if err != unix.EEXIST {
			return err
		}
	}
}

// unlessGone is err, unless somebody else has removed what it is about.
func unlessGone(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

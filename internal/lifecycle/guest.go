// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"errors"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// zonename is the one program of ours that a zone finds inside: it links to
// nothing, so that it runs in any root. make install sets it for another
// prefix.
var zonename = "/usr/bin/zonename"

// zonenameFile is its name in a folder.
var zonenameFile = path.Base(zonename)

// giveZonename puts zonename into a root that has none. The root is not to be
// trusted: the folder is looked up without leaving it, and only a new file is
// written. A root without a place for programs goes without.
func giveZonename(root string) error {
	from, err := os.Open(zonename)
	if err != nil {
		return nil // not installed on this host either
	}
	defer from.Close()
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return subject(root, err)
	}
	defer unix.Close(dir)
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	bin, err := unix.Openat2(dir, "usr/bin", &how)
	if errors.Is(err, unix.ENOENT) {
		bin, err = unix.Openat2(dir, "bin", &how)
	}
	if err != nil {
		return nil
	}
	defer unix.Close(bin)
	fd, err := unix.Openat(bin, zonenameFile, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o755)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	if err != nil {
		return subject(root+": "+zonenameFile, err)
	}
	to := os.NewFile(uintptr(fd), zonenameFile)
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Close()); err != nil {
		_ = unix.Unlinkat(bin, zonenameFile, 0)
		return subject(root+": "+zonenameFile, bareErr(err))
	}
	return nil
}

// hasFile reports whether a root has a file, looked up without leaving it.
func hasFile(root, name string) bool {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(dir)
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := unix.Openat2(dir, name, &how)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

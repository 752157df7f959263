// SPDX-License-Identifier: Apache-2.0

package boot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"zones/internal/mount"
	"zones/internal/nsexec"
)

// volumeDir is where volumes are found by their names, below /dev.
const volumeDir = "zvol/"

// blkZName asks a volume's block device for the name of its dataset:
// _IOR(0x12, 125, char[256]).
const blkZName = 2<<30 | 256<<16 | 0x12<<8 | 125

// AddVolume gives the zone a node for a volume that has appeared on the host
// as the block device /dev/NAME, when it is below a dataset that the zone
// holds, and its name below /dev is wanted. The kernel makes nodes of volumes
// for the host alone, whoever created them.
func (m *Machine) AddVolume(ctx context.Context, name string, wanted func(node string) bool) error {
	dataset, rdev, err := volumeName(filepath.Join("/dev", name))
	if err != nil {
		return err
	}
	held := false
	for _, grant := range m.Granted() {
		held = held || strings.HasPrefix(dataset, grant+"/")
	}
	if !held || !wanted(volumeDir+dataset) {
		return nil
	}
	pidfd, err := m.Record.PIDFD()
	if err != nil {
		return err
	}
	defer pidfd.Close()
	dev, err := nsexec.OpenIn(ctx, pidfd, "/dev", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer dev.Close()
	// Anything but what we mounted there is left alone.
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dev.Fd()), &st); err != nil || st.Type != unix.TMPFS_MAGIC {
		return errors.New("the zone has mounted something on /dev")
	}
	base := int(m.Record.UIDBase)
	return mount.MakeNode(dev, mount.Node{Name: volumeDir + dataset, Block: true,
		Major: unix.Major(rdev), Minor: unix.Minor(rdev), Mode: 0o600}, base)
}

func volumeName(path string) (dataset string, rdev uint64, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return "", 0, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return "", 0, fmt.Errorf("%s is no block device", path)
	}
	var name [256]byte
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), blkZName, uintptr(unsafe.Pointer(&name))); errno != 0 {
		return "", 0, errno
	}
	return unix.ByteSliceToString(name[:]), st.Rdev, nil
}

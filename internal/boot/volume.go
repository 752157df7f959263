// SPDX-License-Identifier: Apache-2.0

package boot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"zones/internal/cgroup"
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
	if err := cgroup.Allow(m.Record.Cgroup, unix.Major(rdev), unix.Minor(rdev)); err != nil {
		return err
	}
	// The number may have become another volume's before it was allowed, which
	// nobody takes back then.
	if now, _, err := volumeName(filepath.Join("/dev", name)); err != nil || now != dataset {
		return errors.Join(err, cgroup.Forbid(m.Record.Cgroup, unix.Minor(rdev)))
	}
	base := int(m.Record.UIDBase)
	return mount.MakeNode(dev, mount.Node{Name: volumeDir + dataset, Block: true,
		Major: unix.Major(rdev), Minor: unix.Minor(rdev), Mode: 0o600}, base)
}

// allowVolumes keeps the zone from all volumes but those that it has nodes of.
// Numbers of volumes are given to others as soon as they are free, and the zone
// can keep a node of one that it has destroyed.
func (m *Machine) allowVolumes() error {
	// Most zones have no such device, and are not to wait for what it is.
	major := sync.OnceValue(volumeMajor)
	for _, n := range m.Spec.Tree.Dev.Nodes {
		if n.Block && n.Major == major() {
			if err := cgroup.Allow(m.Spec.Cgroup, major(), n.Minor); err != nil {
				return err
			}
		}
	}
	return nil
}

// volumeMajor is the major number of volumes; 0, which no device has, when there
// is none.
func volumeMajor() uint32 {
	data, _ := os.ReadFile("/proc/devices")
	for _, line := range strings.Split(string(data), "\n") {
		var major uint32
		var name string
		if n, _ := fmt.Sscanf(line, "%d %s", &major, &name); n == 2 && name == "zvol" {
			return major
		}
	}
	return 0
}

// volumeMinors is how many numbers each volume has: its own, and those of its
// partitions.
const volumeMinors = 16

// CheckVolumes takes from the zone the volumes that are not those any more which
// it was given, as no name of theirs below /dev is wanted: for when nobody was
// there to see them go.
func (m *Machine) CheckVolumes(wanted func(node string) bool) error {
	minors, err := cgroup.Allowed(m.Record.Cgroup)
	if err != nil {
		return err
	}
	var errs []error
	for _, minor := range minors {
		whole := minor / volumeMinors * volumeMinors
		device := fmt.Sprintf("zd%d", whole)
		dataset, _, err := volumeName(filepath.Join("/dev", device))
		if minor != whole {
			device = fmt.Sprintf("%sp%d", device, minor-whole)
			dataset = fmt.Sprintf("%s-part%d", dataset, minor-whole)
		}
		if err != nil || !wanted(volumeDir+dataset) && !wanted(device) {
			errs = append(errs, cgroup.Forbid(m.Record.Cgroup, minor))
		}
	}
	return errors.Join(errs...)
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

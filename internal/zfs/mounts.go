// SPDX-License-Identifier: Apache-2.0

package zfs

import "zones/internal/mount"

// A Mounted is a ZFS file system as the mount table of this process has it.
type Mounted struct {
	Dataset string // or snapshot, for one below .zfs
	Path    string
}

// MountTable lists what ZFS has mounted, in the order of the table. A bind
// mount of a part of a file system is left out.
func MountTable() ([]Mounted, error) {
	table, err := mount.Table("self")
	var all []Mounted
	for _, m := range table {
		if m.Kind == "zfs" && m.Root == "/" {
			all = append(all, Mounted{m.Source, m.Path})
		}
	}
	return all, err
}

// MountedAt gives the dataset whose root is mounted on top at path; empty when
// that is no ZFS file system's mount point.
func MountedAt(path string) (string, error) {
	all, err := MountTable()
	if err != nil {
		return "", err
	}
	dataset := ""
	for _, m := range all {
		if m.Path == path {
			dataset = m.Dataset
		}
	}
	return dataset, nil
}

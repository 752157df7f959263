// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"fmt"
	"path/filepath"

	"zones/internal/mount"
	"zones/internal/zfs"
	"zones/internal/zone"
)

// mountedOn is what is on top of all that is mounted at a path; ok is false
// when nothing is.
func mountedOn(path string) (top mount.Mounted, ok bool, err error) {
	all, err := mount.Table("self")
	for _, at := range all {
		if at.Path == path {
			top, ok = at, true
		}
	}
	return top, ok, err
}

// homeAt is the dataset whose place a path is; empty when nothing is mounted
// there, or what somebody has put over it or brought from another place.
func homeAt(ctx context.Context, path string) (string, error) {
	top, ok, err := mountedOn(path)
	if err != nil || !ok || top.Kind != "zfs" || top.Root != "/" || zfs.Available() != nil {
		return "", err
	}
	point, err := zfs.Value(ctx, top.Source, "mountpoint")
	if err == nil && point != path && point != "legacy" {
		// zfs(8) knows of the other root that a pool may have been given.
		var got map[string]zfs.Property
		got, err = zfs.Get(ctx, top.Source, "mountpoint", "canmount")
		point = got["mountpoint"].Value
	}
	if err != nil || point != path && point != "legacy" {
		return "", err
	}
	return top.Source, nil
}

// removable fails when a zonepath holds what is not its zone's to remove:
// another zone, or what is mounted there. A root may be a dataset of its own.
func (m *Manager) removable(ctx context.Context, name zone.Name, path string) error {
	if path == "" || path == "/" {
		return nil // nothing will be removed
	}
	entries, err := m.Store.Index()
	if err != nil {
		return named("could not get zone path", reason(err))
	}
	for _, e := range entries {
		if e.Name == name || e.Name == zone.Global || e.Path == "" || e.State != zone.Installed {
			continue
		}
		if within(path, e.Path) || within(e.Path, path) {
			return bare("%s zonepath (%s) and %s zonepath (%s) overlap.", name, path, e.Name, e.Path)
		}
	}
	root := filepath.Join(path, rootName)
	if err := m.refuseMounts(root); err != nil {
		return err
	}
	var mounted []string
	for own := range standard {
		at := filepath.Join(path, own)
		below, err := mountsBelow(at)
		if err != nil {
			return err
		}
		mounted = append(mounted, below...)
		_, on, err := mountedOn(at)
		if err == nil && on && own == rootName {
			var dataset string
			dataset, err = homeAt(ctx, at)
			on = dataset == ""
		}
		if err != nil {
			return err
		}
		if on {
			mounted = append(mounted, at)
		}
	}
	return m.refuseListed(path, mounted)
}

// refuseMounts fails when something is mounted below dir.
func (m *Manager) refuseMounts(dir string) error {
	below, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	return m.refuseListed(dir, below)
}

// refuseListed fails when these paths, where something is mounted, are any.
func (m *Manager) refuseListed(dir string, mounted []string) error {
	if len(mounted) == 0 {
		return nil
	}
	m.Talk.About(fmt.Sprintf("These file systems are mounted on subdirectories of %s.\n", dir))
	for _, path := range mounted {
		m.Talk.About(fmt.Sprintf("  %s\n", path))
	}
	return errSaid
}

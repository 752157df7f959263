// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"zones/internal/cli"
	"zones/internal/mount"
	"zones/internal/zfs"
)

// A home is where on ZFS a zonepath would be a file system of its own.
type home struct {
	path     string
	dataset  string   // that of the zonepath
	above    []string // its ancestors that do not exist yet, the highest first
	explicit bool     // the mountpoint must be set, as inheriting gives another
}

// homeOf finds the dataset that belongs to a zonepath: below the one mounted
// nearest above it, with the names of the folders between. ok is false where
// that is not ZFS, or the names cannot be those of datasets.
func homeOf(ctx context.Context, path string) (h home, ok bool) {
	if zfs.Available() != nil {
		return home{}, false
	}
	mounted, err := mountedAbove(path)
	if err != nil || mounted.Dataset == "" || strings.Contains(mounted.Dataset, "@") {
		return home{}, false
	}
	got, err := zfs.Get(ctx, mounted.Dataset, "mountpoint", "zoned", "readonly")
	if err != nil || got["zoned"].Value == "on" {
		return home{}, false
	}
	h = home{path: path, dataset: mounted.Dataset, explicit: got["mountpoint"].Value != mounted.Path}
	below, err := filepath.Rel(mounted.Path, path)
	if err != nil || below == "." {
		return home{}, false
	}
	parts := strings.Split(below, "/")
	for i, part := range parts {
		h.dataset += "/" + part
		if i == len(parts)-1 {
			break
		}
		// A folder between may have a dataset already, mounted nowhere, that
		// was made for another zone's sake; one that is meant for another
		// place leaves no name for ours.
		point, err := zfs.Value(ctx, h.dataset, "mountpoint")
		switch {
		case errors.Is(err, zfs.ErrNotFound):
			h.above = append(h.above, h.dataset)
		case err != nil:
			return home{}, false
		case point != filepath.Join(mounted.Path, strings.Join(parts[:i+1], "/")):
			return home{}, false
		}
	}
	return h, validDataset(h.dataset)
}

// mountedAbove is the file system that holds path's parent folder, as a mount;
// its dataset is empty when that is not ZFS.
func mountedAbove(path string) (zfs.Mounted, error) {
	all, err := mount.Table("self")
	if err != nil {
		return zfs.Mounted{}, err
	}
	best := mount.Mounted{}
	for _, at := range all {
		if within(filepath.Dir(path), at.Path) && len(at.Path) >= len(best.Path) {
			best = at
		}
	}
	if best.Kind != "zfs" || best.Root != "/" {
		return zfs.Mounted{}, nil
	}
	return zfs.Mounted{Dataset: best.Source, Path: best.Path}, nil
}

// validDataset reports whether ZFS takes a name.
func validDataset(name string) bool {
	if len(name) > 200 { // room for snapshots and children
		return false
	}
	for _, r := range name {
		if !strings.ContainsRune("/-_.: ", r) && (r > 'z' || r < '0' || r > '9' && r < 'A' || r > 'Z' && r < 'a') {
			return false
		}
	}
	return true
}

// properties are those of every zonepath's file system: it shares nothing, and
// keeps what root file systems have on their files.
func (h home) properties() []string {
	props := []string{"sharenfs=off", "sharesmb=off", "acltype=posix", "xattr=sa", "canmount=on"}
	if h.explicit {
		props = append(props, "mountpoint="+h.path)
	}
	return props
}

// containerProp marks a dataset that was made for nothing but the names below
// it, and may go with the last of them.
const containerProp = "zones:container"

// dropAbove removes the datasets above one that is gone, or was never made, if
// they are no longer needed. One that cannot be removed stays: it harms nobody.
func (m *Manager) dropAbove(ctx context.Context, dataset string) {
	_ = m.placing(ctx, func() error { dropContainers(ctx, dataset); return nil })
}

func dropContainers(ctx context.Context, dataset string) {
	for {
		i := strings.LastIndexByte(dataset, '/')
		if i < 0 {
			return
		}
		dataset = dataset[:i]
		got, err := zfs.Get(ctx, dataset, containerProp, "canmount")
		if errors.Is(err, zfs.ErrNotFound) {
			continue
		}
		if err != nil || got[containerProp].Value != "on" || !got[containerProp].Local() ||
			got["canmount"].Value != "off" || zfs.Destroy(ctx, dataset) != nil {
			return
		}
	}
}

// makeAbove makes the datasets between, which hold nothing and are mounted
// nowhere.
func (h home) makeAbove(ctx context.Context) error {
	for _, name := range h.above {
		err := zfs.Create(ctx, name, "canmount=off", containerProp+"=on")
		if err != nil && !errors.Is(err, zfs.ErrExists) {
			return err
		}
	}
	return nil
}

// makeHome makes a file system for a zonepath if there can be one, and says
// so. Nothing that goes wrong here stops the verb: a folder serves as well.
func (m *Manager) makeHome(ctx context.Context, path string) {
	h, ok := homeOf(ctx, path)
	if !ok || !emptyFolder(path) {
		return
	}
	if _, on, err := mountedOn(path); err != nil || on {
		return
	}
	err := m.placing(ctx, func() error {
		if err := h.makeAbove(ctx); err != nil {
			return err
		}
		return zfs.Create(ctx, h.dataset, h.properties()...)
	})
	switch {
	case ctx.Err() != nil:
		return
	case errors.Is(err, zfs.ErrExists):
		m.noteUnmounted(ctx, path) // it would hide the zone once it is
		return
	case err != nil:
		m.Talk.Bare(fmt.Sprintf("cannot create ZFS dataset %s: %s", h.dataset, zfs.Said(err)))
		return
	}
	if at, err := zfs.MountedAt(path); err != nil || at != h.dataset {
		m.Talk.Bare(fmt.Sprintf("cannot mount ZFS dataset %s: it is not mounted at %s", h.dataset, path))
		_ = zfs.Destroy(ctx, h.dataset)
		return
	}
	if err := os.Chmod(path, 0o700); err != nil {
		m.Talk.Bare(fmt.Sprintf("file system %s successfully created, but chmod 700 failed: %v",
			h.dataset, cli.Reason(err)))
		_ = zfs.Destroy(ctx, h.dataset)
		return
	}
	m.Talk.Print("A ZFS file system has been created for this zone.")
}

// emptyFolder reports whether a folder is missing or holds nothing, but for the
// folder .zfs that ZFS may show: a file system mounted over it must not hide
// anything.
func emptyFolder(path string) bool {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		return false
	}
	defer f.Close()
	names, _ := f.Readdirnames(2)
	return len(names) == 0 || len(names) == 1 && names[0] == ".zfs"
}

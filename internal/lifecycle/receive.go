// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"zones/internal/unpacker"
	"zones/internal/zfs"
)

// replaceable refuses what is mounted at the zonepath if something received
// cannot take its place.
func (in *install) replaceable(ctx context.Context) error {
	top, on, err := mountedOn(in.path)
	if err != nil || !on {
		return err
	}
	at, err := homeAt(ctx, in.path)
	if err != nil {
		return err
	}
	if at == "" {
		return aboutf("%s is mounted at %s, and nothing can be received there.", top.Source, in.path)
	}
	root, err := zfs.Value(ctx, at, "encryptionroot")
	if err != nil {
		return err
	}
	if root == at {
		return aboutf("%s has a key of its own, which what is received in its place would not have.", at)
	}
	return nil
}

// receive makes the zonepath's file system out of a snapshot or a stream. What
// it holds is either a zonepath, with root in it, or a root.
func (in *install) receive(ctx context.Context, s *unpacker.Source) error {
	at, err := homeAt(ctx, in.path)
	if err != nil {
		return err
	}
	if at == "" {
		return sourceError(s.Short, errors.New("the zonepath is not a ZFS file system of its own"))
	}
	// The file system was made for the zonepath, by us or with settings of its
	// own; what comes takes its place.
	set, err := zfs.Local(ctx, at)
	if err != nil {
		return sourceError(s.Short, err)
	}
	point, err := zfs.Value(ctx, at, "mountpoint")
	if err != nil {
		return sourceError(s.Short, err)
	}
	if err := zfs.Destroy(ctx, at); err != nil {
		return sourceError(s.Short, err)
	}
	h := home{path: in.path}
	set = slices.DeleteFunc(set, func(prop string) bool {
		place := strings.HasPrefix(prop, "mountpoint=")
		h.explicit = h.explicit || place
		return place
	})
	if point == "legacy" && h.explicit {
		h.path = point
	}
	// Until it is whole and mounted it is marked: however this ends, uninstall
	// finds it.
	err = in.fill(ctx, s, at, append(h.properties(), forProp+"="+string(in.z.name)))
	if err == nil {
		err = in.mountReceived(ctx, at, point)
	}
	if err == nil && len(set) > 0 {
		err = zfs.Set(ctx, at, set...)
	}
	if err != nil {
		_ = dropReceived(context.WithoutCancel(ctx), at, string(in.z.name))
		return sourceError(s.Short, err)
	}
	if err := in.arrange(); err != nil {
		return err
	}
	return zfs.Inherit(ctx, at, forProp)
}

func (in *install) fill(ctx context.Context, s *unpacker.Source, at string, props []string) error {
	stream, err := s.Stream(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	return zfs.Receive(ctx, stream, at, props...)
}

// received reports whether a dataset was received for a zone and is not whole.
func received(ctx context.Context, dataset, name string) (bool, error) {
	got, err := zfs.Get(ctx, dataset, forProp)
	return err == nil && got[forProp].Local() && got[forProp].Value == name, err
}

// dropReceived destroys what was received for a zone and is not whole.
func dropReceived(ctx context.Context, dataset, name string) error {
	if ours, err := received(ctx, dataset, name); err != nil || !ours {
		return err
	}
	return zfs.DestroyAll(ctx, dataset)
}

// mountReceived mounts what was received, and drops the snapshots that came
// with it.
func (in *install) mountReceived(ctx context.Context, dataset, point string) error {
	below, err := zfs.Children(ctx, dataset)
	if err != nil {
		return err
	}
	if len(below) > 0 {
		return errors.New("it holds more than one file system")
	}
	snapshots, err := zfs.Snapshots(ctx, dataset)
	if err != nil {
		return err
	}
	for _, s := range snapshots {
		if err := zfs.Destroy(ctx, s.Name); err != nil {
			return err
		}
	}
	if at, err := zfs.MountedAt(in.path); err != nil || at == dataset {
		return err
	}
	// Whoever owns it where it comes from must not get into it here, not for a
	// moment.
	if err := privately(dataset, closeUp); err != nil {
		return err
	}
	if point == "legacy" {
		return unix.Mount(dataset, in.path, "zfs", 0, "")
	}
	return zfs.Mount(ctx, dataset)
}

// arrange puts a bare root file system where a zonepath has it. Renaming within
// one file system costs nothing.
func (in *install) arrange() error {
	if in.zonepathLike() {
		return keepPrivate(in.path)
	}
	names, err := os.ReadDir(in.path)
	if err != nil {
		return err
	}
	// A root file system has a folder root of its own: that of its user.
	temp := filepath.Join(in.path, ".zoneroot")
	if err := os.Mkdir(temp, 0o755); err != nil {
		return err
	}
	for _, n := range names {
		if n.Name() == ".zfs" {
			continue
		}
		if err := os.Rename(filepath.Join(in.path, n.Name()), filepath.Join(temp, n.Name())); err != nil {
			return err
		}
	}
	if err := os.Rename(temp, in.root()); err != nil {
		return err
	}
	return keepPrivate(in.path)
}

// zonepathLike reports whether what was received has a root in it, and nothing
// that a root has.
func (in *install) zonepathLike() bool {
	if info, err := os.Lstat(in.root()); err != nil || !info.IsDir() {
		return false
	}
	for _, name := range []string{"usr", "etc", "bin", "sbin"} {
		if _, err := os.Lstat(filepath.Join(in.path, name)); err == nil {
			return false
		}
	}
	return true
}

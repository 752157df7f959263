// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"zones/internal/cli"
	"zones/internal/config"
	"zones/internal/mount"
	"zones/internal/schema"
	"zones/internal/zfs"
)

// refusedTypes are file systems that every zone has already or that act for
// the whole machine.
var refusedTypes = []string{"proc", "mntfs", "autofs"}

// verifyMounts checks the fs resources against what this machine can mount.
func (m *Manager) verifyMounts(ctx context.Context, cfg *config.Config) error {
	var failed error
	for _, res := range cfg.All(schema.FSResource) {
		dir := res.Text(schema.FSDir.Property)
		if text := m.mountProblem(ctx, res); text != "" {
			verb := "could not"
			if strings.HasPrefix(text, "type ") || strings.HasPrefix(text, "'") || strings.HasPrefix(text, "zfs ") {
				verb = "cannot"
			}
			m.Talk.Bare(fmt.Sprintf("%s verify fs %s: %s", verb, dir, text))
			failed = errSaid
		}
	}
	return failed
}

// mountProblem says what is wrong with one fs resource; empty when nothing is.
func (m *Manager) mountProblem(ctx context.Context, res *config.Resource) string {
	kind, special := res.Text(schema.FSType.Property), res.Text(schema.FSSpecial.Property)
	if slices.Contains(refusedTypes, kind) || strings.HasPrefix(kind, "nfs") {
		return fmt.Sprintf("type %s is not allowed.", kind)
	}
	if kind == "zfs" {
		return zfsProblem(ctx, special)
	}
	if kind != "lofs" && !knownType(kind) {
		return fmt.Sprintf("could not access /usr/sbin/mount.%s: No such file or directory", kind)
	}
	if raw := res.Text(schema.FSRaw.Property); raw != "" && !helper("fsck", kind) {
		return fmt.Sprintf("must remove 'raw' device: there is no /usr/sbin/fsck.%s", kind)
	}
	if kind == "tmpfs" {
		return ""
	}
	if err := zfs.AnsweringAt(m.Store.Root() + special); err != nil {
		return fmt.Sprintf("could not access %s: %v", special, err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(m.Store.Root()+special, &st); err != nil {
		return fmt.Sprintf("could not access %s: %v", special, cli.Reason(err))
	}
	if st.Type == unix.NFS_SUPER_MAGIC {
		return fmt.Sprintf("invalid NFS: %s is on an NFS mounted file system", special)
	}
	return ""
}

func zfsProblem(ctx context.Context, name string) string {
	got, err := zfs.Get(ctx, name, zfs.PropType, "mountpoint")
	switch {
	case err != nil:
		return fmt.Sprintf("could not access zfs dataset '%s'", name)
	case zfs.Type(got[zfs.PropType].Value) != zfs.Filesystem:
		return fmt.Sprintf("'%s' is not a file system", name)
	case got["mountpoint"].Value != "legacy":
		return fmt.Sprintf("zfs '%s' mountpoint is not \"legacy\"", name)
	}
	return ""
}

// knownType reports whether the kernel, one of its modules or a helper can
// mount a type of file system.
func knownType(kind string) bool {
	if helper("mount", kind) {
		return true
	}
	if hasLine("/proc/filesystems", func(f []string) bool { return f[len(f)-1] == kind }) {
		return true
	}
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false
	}
	modules := filepath.Join("/lib/modules", unix.ByteSliceToString(name.Release[:]), "modules.alias")
	return hasLine(modules, func(f []string) bool { return len(f) > 1 && f[1] == "fs-"+kind })
}

func helper(program, kind string) bool {
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if info, err := os.Stat(dir + program + "." + kind); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

func hasLine(path string, match func(fields []string) bool) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	for scan := bufio.NewScanner(f); scan.Scan(); {
		if fields := strings.Fields(scan.Text()); len(fields) > 0 && match(fields) {
			return true
		}
	}
	return false
}

// mountsBelow lists what is mounted below a folder, itself left out.
func mountsBelow(dir string) ([]string, error) {
	all, err := mount.Table("self")
	if err != nil {
		return nil, err
	}
	var below []string
	for _, at := range all {
		// The kernel mounts a snapshot when somebody looks into it, and takes it
		// away again by itself.
		looked := at.Kind == "zfs" && strings.Contains(at.Source, "@") && strings.Contains(at.Path, "/.zfs/snapshot/")
		if at.Path != dir && within(at.Path, dir) && !looked {
			below = append(below, at.Path)
		}
	}
	return below, nil
}

// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"zones/internal/cgroup"
	"zones/internal/config"
	"zones/internal/entrypoint"
	"zones/internal/mount"
	"zones/internal/network"
	"zones/internal/nsexec"
	"zones/internal/schema"
)

// Host gathers the facts about this machine that the configuration needs. It
// looks at all devices only when a resource may match them.
func Host(c *config.Config) (Facts, error) {
	f := Facts{CPUs: cgroup.Online(), Isolates: cgroup.Isolates(), PageSize: os.Getpagesize(), LastCap: nsexec.LastCap(), Rlimits: nsexec.BaseRlimits(), Bridge: network.IsBridge, Resolve: resolve}
	var err error
	if f.CgroupTop, err = cgroup.Mount(); err != nil {
		return f, err
	}
	if f.Controllers, err = cgroup.Controllers(); err != nil {
		return f, err
	}
	if info, err := os.Stat(f.CgroupOf(c.Name())); err == nil {
		f.NameTaken = !info.IsDir()
	}
	path, _ := schema.ZonePath.Of(c)
	f.Entrypoint = entrypoint.Exists(path)
	if len(c.All(schema.DeviceResource)) > 0 {
		f.Devices = allDevices()
		return f, nil
	}
	for _, name := range delegated {
		if n, err := mount.HostNode(name); err == nil {
			f.Devices = append(f.Devices, n)
		}
	}
	return f, nil
}

// volumes is where ZFS volumes are found by their names, below /dev.
const volumes = "zvol/"

// allDevices are the nodes of the host's /dev, without terminals: those are
// made new for every zone.
func allDevices() []mount.Node {
	var nodes []mount.Node
	_ = filepath.WalkDir("/dev", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		name := strings.TrimPrefix(path, "/dev/")
		if d.IsDir() && (name == "pts" || name == "shm" || name == "mqueue") {
			return filepath.SkipDir
		}
		switch {
		case d.Type()&fs.ModeDevice != 0:
		case d.Type()&fs.ModeSymlink != 0 && strings.HasPrefix(name, volumes):
			// udev names volumes by links; the zone gets nodes of those names.
		default:
			return nil
		}
		if n, err := mount.HostNode(name); err == nil {
			nodes = append(nodes, n)
		}
		return nil
	})
	return nodes
}

func resolve(host string) string {
	addrs, err := net.LookupIP(host)
	if err != nil || len(addrs) == 0 {
		return ""
	}
	for _, a := range addrs {
		if a.To4() != nil {
			return a.String()
		}
	}
	return addrs[0].String()
}

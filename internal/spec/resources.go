// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"slices"
	"strings"

	"zones/internal/brand"
	"zones/internal/config"
	"zones/internal/mount"
	"zones/internal/network"
	"zones/internal/schema"
)

// delegated are the devices a zone talks to ZFS and the module through; the
// kernel decides by namespaces what may be done with them.
var delegated = []string{"zfs", "delegns"}

// devices adds what matches the device resources to the standard ones.
func (z *Zone) devices(c *config.Config, _ *brand.Brand, f *Facts) error {
	have := map[string]bool{}
	for _, n := range z.Tree.Dev.Nodes {
		have[n.Name] = true
	}
	add := func(n mount.Node) {
		if !have[n.Name] {
			have[n.Name] = true
			z.Tree.Dev.Nodes = append(z.Tree.Dev.Nodes, n)
		}
	}
	for _, n := range f.Devices {
		if contains(delegated, n.Name) {
			n.Mode = 0o666
			add(n)
		}
	}
	for _, r := range c.All(schema.DeviceResource) {
		pattern, _ := schema.DeviceMatch.Of(r)
		found := false
		for _, n := range f.Devices {
			if Matches(pattern, "/dev/"+n.Name) {
				found = true
				add(n)
			}
		}
		if !found {
			z.warn("%s %s matches no device of this machine", r.Type.Name, pattern)
		}
	}
	return nil
}

// refusedTypes are file systems that a zone makes for itself, or that would
// let it at the host's.
var refusedTypes = []string{"proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "mqueue", "mntfs", "autofs", "objfs", "ctfs"}

func (z *Zone) filesystems(c *config.Config, _ *brand.Brand, _ *Facts) error {
	for _, r := range c.All(schema.FSResource) {
		e := mount.Entry{}
		e.Target, _ = schema.FSDir.Of(r)
		e.Source, _ = schema.FSSpecial.Of(r)
		e.Type, _ = schema.FSType.Of(r)
		e.Options, _ = schema.FSOptions.Of(r)
		e.Check, _ = schema.FSRaw.Of(r)
		if contains(refusedTypes, e.Type) || strings.HasPrefix(e.Type, "nfs") {
			return &Problem{"fs " + e.Target, fmt.Sprintf("type %s is not allowed.", e.Type), true}
		}
		switch e.Type {
		case "lofs":
			e.Type, e.Mapped = mount.Bind, true
		case "tmpfs":
			e.Options = append(e.Options, fmt.Sprintf("uid=%d", z.IDBase), fmt.Sprintf("gid=%d", z.IDBase))
		default:
			e.Mapped = true
		}
		z.Tree.Entries = append(z.Tree.Entries, e)
	}
	// A folder before what is mounted below it.
	slices.SortStableFunc(z.Tree.Entries, func(a, b mount.Entry) int { return strings.Compare(a.Target, b.Target) })
	return nil
}

func (z *Zone) network(c *config.Config, _ *brand.Brand, f *Facts) error {
	for _, r := range c.All(schema.NetResource) {
		var err error
		if z.Exclusive() {
			err = z.link(r, f)
		} else {
			err = z.address(r, f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// address is a net resource of a zone with the host's network stack.
func (z *Zone) address(r *config.Resource, f *Facts) error {
	link, _ := schema.NetPhysical.Of(r)
	a, ok := schema.NetAddress.Of(r)
	if !ok || link == "lo" || link == "lo0" {
		return nil
	}
	text, err := f.cidr(a)
	if err != nil {
		return &Problem{"net " + link, err.Error(), true}
	}
	addr := network.Address{Link: link, Address: text}
	if router, ok := schema.NetDefrouter.Of(r); ok {
		addr.Router = f.ip(router)
	}
	z.Addresses = append(z.Addresses, addr)
	return nil
}

// link is a net resource of a zone with a network stack of its own.
func (z *Zone) link(r *config.Resource, f *Facts) error {
	l := network.Link{Kind: network.Move}
	l.Name, _ = schema.NetPhysical.Of(r)
	mac, _ := schema.NetMACAddr.Of(r)
	l.MAC = hardware(mac)
	l.Parent, _ = schema.NetGlobalNIC.Of(r)
	vlan, hasVLAN := schema.NetVLANID.Of(r)
	if hasVLAN && vlan != "" {
		if _, err := fmt.Sscanf(vlan, "%d", &l.VLAN); err != nil || l.VLAN < 1 || l.VLAN > 4094 {
			return &Problem{"net " + l.Name, fmt.Sprintf("%s %s is not a number from 1 to 4094", schema.NetVLANID.Name, vlan), false}
		}
	}
	switch {
	case l.Parent == "" && l.VLAN != 0:
		return &Problem{"net " + l.Name, fmt.Sprintf("%s needs %s: the link it is a VLAN of", schema.NetVLANID.Name, schema.NetGlobalNIC.Name), false}
	case l.Parent == "":
	case l.Parent != network.Auto && f.Bridge != nil && f.Bridge(l.Parent):
		l.Kind = network.Veth
	case l.VLAN != 0:
		l.Kind = network.VLAN
	default:
		l.Kind = network.Macvlan
	}
	if allowed, ok := schema.NetAllowedAddress.Of(r); ok {
		for _, a := range allowed {
			text, err := f.cidr(a)
			if err != nil {
				return &Problem{"net " + l.Name, err.Error(), true}
			}
			l.Addresses = append(l.Addresses, text)
		}
		if len(allowed) > 0 && !l.Guarded() {
			z.warn("%s of net %s is set on the link, but the zone is kept from using others only where %s is a bridge",
				schema.NetAllowedAddress.Name, l.Name, schema.NetGlobalNIC.Name)
		}
	}
	if router, ok := schema.NetDefrouter.Of(r); ok {
		if ip := f.ip(router); ip != "" {
			l.Routers = append(l.Routers, ip)
		}
	}
	// A second resource for a link adds addresses to it.
	for i := range z.Links {
		if z.Links[i].Name == l.Name {
			z.Links[i].Addresses = append(z.Links[i].Addresses, l.Addresses...)
			z.Links[i].Routers = append(z.Links[i].Routers, l.Routers...)
			return nil
		}
	}
	z.Links = append(z.Links, l)
	return nil
}

// hardware writes out a hardware address in which leading zeros are left out,
// as illumos does. "auto" and "random" are the kernel's choice.
func hardware(mac string) string {
	if mac == "auto" || mac == "random" {
		return ""
	}
	parts := strings.Split(mac, ":")
	for i, p := range parts {
		if len(p) == 1 {
			parts[i] = "0" + p
		}
	}
	return strings.Join(parts, ":")
}

// cidr is an address with its prefix length; without one it is alone in its
// network.
func (f *Facts) cidr(a schema.Address) (string, error) {
	ip := f.ip(a)
	if ip == "" {
		return "", fmt.Errorf("%s: no such host", a.Host)
	}
	bits := a.Bits
	if bits < 0 {
		bits = 32
		if strings.Contains(ip, ":") {
			bits = 128
		}
	}
	return fmt.Sprintf("%s/%d", ip, bits), nil
}

func (f *Facts) ip(a schema.Address) string {
	if a.IP.IsValid() {
		return a.IP.String()
	}
	if f.Resolve == nil {
		return ""
	}
	return f.Resolve(a.Host)
}

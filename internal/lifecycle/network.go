// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"zones/internal/config"
	"zones/internal/control"
	"zones/internal/schema"
	"zones/internal/zone"
)

var (
	errPrefix  = errors.New("IPv6 address missing required prefix length")
	errAddress = errors.New("Neither an IPv4 nor an IPv6 address nor a host name")
)

// verifyNetwork checks the network interfaces. With a stack shared with the
// host only addresses can be wrong; everything else is a warning, because
// links come and go until the zone boots.
func (m *Manager) verifyNetwork(z *subjectZone) error {
	var failed error
	for _, res := range z.cfg.All(schema.NetResource) {
		link := res.Text(schema.NetPhysical.Property)
		if link == "lo0" || link == "lo" {
			continue
		}
		if z.cfg.Exclusive() {
			m.exclusiveLink(z.name, res, link)
			continue
		}
		address := res.Text(schema.NetAddress.Property)
		if err := checkAddress(address); err != nil {
			m.Talk.Bare(fmt.Sprintf("could not verify net address=%s physical=%s\n\t%v", address, link, err))
			failed = errSaid
			continue
		}
		if _, err := net.InterfaceByName(link); err != nil {
			m.Talk.Bare(fmt.Sprintf("WARNING: skipping network interface '%s' which may not be present/plumbed "+
				"in the global zone.", link))
		}
	}
	return failed
}

// checkAddress accepts an IPv4 address with or without a prefix length, an IPv6
// address with one, and the name of a host that has an IPv4 address.
func checkAddress(text string) error {
	if p, err := netip.ParsePrefix(text); err == nil && p.Addr().Zone() == "" {
		return nil
	}
	if a, err := netip.ParseAddr(text); err == nil {
		if a.Is4() {
			return nil
		}
		return errPrefix
	}
	host, _, _ := strings.Cut(text, "/")
	if _, err := netip.ParseAddr(host); err == nil {
		return errAddress // it is the length that is wrong
	}
	found, err := net.LookupIP(host)
	if err != nil {
		return errAddress
	}
	for _, ip := range found {
		if ip.To4() != nil {
			return nil
		}
	}
	return errAddress
}

func (m *Manager) exclusiveLink(name zone.Name, res *config.Resource, link string) {
	skip := func(why string) {
		m.Talk.Bare(fmt.Sprintf("WARNING: skipping network interface '%s'%s", link, why))
	}
	if other := m.linkUser(name, link); other != "" {
		skip(fmt.Sprintf(" which is used by the non-global zone '%s'.", other))
		return
	}
	below := res.Text(schema.NetGlobalNIC.Property)
	if below != "" && below != "auto" {
		if _, err := net.InterfaceByName(below); err != nil {
			skip(fmt.Sprintf(": no such link as %s to make it over", below))
		}
		return
	}
	found, err := net.InterfaceByName(link)
	if err != nil {
		if below == "" && !hasLink(name, link) {
			skip(": No such device")
		}
		return
	}
	if addrs, err := found.Addrs(); err == nil && found.Flags&net.FlagUp != 0 && inUse(addrs) {
		skip(" which is used in the global zone.")
	}
}

// hasLink reports whether an active zone has a link of the host, which is not
// to be seen on the host meanwhile.
func hasLink(name zone.Name, link string) bool {
	record, _, err := control.Status(name)
	return err == nil && slices.ContainsFunc(record.Links, func(text string) bool {
		fields := strings.Fields(text)
		return len(fields) > 1 && fields[1] == link
	})
}

// inUse reports whether one of the addresses was given to the link, other than
// the one that each link has by itself.
func inUse(addrs []net.Addr) bool {
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() {
			return true
		}
	}
	return false
}

// linkUser is another active zone whose configuration has the link.
func (m *Manager) linkUser(name zone.Name, link string) zone.Name {
	names, err := control.Active()
	if err != nil {
		return ""
	}
	for _, other := range names {
		if other == name {
			continue
		}
		if _, _, err := control.Status(other); err != nil {
			continue
		}
		cfg, _, err := m.Store.Load(other)
		if err != nil || !cfg.Exclusive() {
			continue
		}
		for _, res := range cfg.All(schema.NetResource) {
			if res.Text(schema.NetPhysical.Property) == link {
				return other
			}
		}
	}
	return ""
}

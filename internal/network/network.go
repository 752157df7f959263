// SPDX-License-Identifier: Apache-2.0

// Package network gives network links and addresses to network namespaces and
// takes them back. It makes no namespace and knows no zone.
package network

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Kind is how a link comes to be.
type Kind string

// The kinds of link.
const (
	Move    Kind = "move"    // a link of the host, for the time being
	Macvlan Kind = "macvlan" // one of its own on a link of the host
	VLAN    Kind = "vlan"    // a VLAN of a link of the host
	Veth    Kind = "veth"    // a pair, one end in a bridge of the host
)

// Auto, as a Parent, is the link that the host's default route goes over.
const Auto = "auto"

// A Link is one that a network namespace gets.
type Link struct {
	Kind      Kind
	Name      string // in the namespace, and on the host for Move
	Index     int    // in the namespace, once it is there; 0 when not known
	Parent    string // link or bridge of the host; empty for Move
	VLAN      int
	MAC       string   // hardware address; empty for the kernel's choice
	Addresses []string // with prefix length, set in the namespace
	Routers   []string // default routers
	// Was is what a link of the host was like before, once it has been given.
	Was Settings `json:"-"`
}

// Settings are what a zone can change of a link of the host and the host wants
// back.
type Settings struct {
	MTU int    // in bytes; 0 when not known
	MAC string // empty when there is none, or not known
}

// An Address is one that a link of the host gets for the time being.
type Address struct {
	Link    string
	Address string // with prefix length
	Router  string // default router; empty for none
}

var (
	// ErrNoLink says that there is no such link.
	ErrNoLink = errors.New("no such link")
	// ErrInUse says that an address or link is in use by somebody else.
	ErrInUse = errors.New("in use")
)

// An Error is a link or address that could not be given or taken.
type Error struct {
	Op, Object string
	Err        error
}

func (e *Error) Error() string { return e.Op + " " + e.Object + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

func fail(op, object string, err error) error {
	var missing netlink.LinkNotFoundError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &missing), errors.Is(err, unix.ENODEV):
		err = ErrNoLink
	case errors.Is(err, unix.EEXIST):
		err = ErrInUse
	}
	return &Error{op, object, err}
}

// inside is a handle on the network namespace behind ns.
func inside(ns *os.File) (*netlink.Handle, error) {
	return netlink.NewHandleAt(netns.NsHandle(ns.Fd()), unix.NETLINK_ROUTE)
}

// Add gives the link to the namespace behind ns, up and with its addresses, and
// notes its index there.
func (l *Link) Add(ns *os.File) error {
	if err := l.make(ns); err != nil {
		return fail("add link", l.Name, err)
	}
	h, err := inside(ns)
	if err != nil {
		return fail("add link", l.Name, err)
	}
	defer h.Close()
	link, err := h.LinkByName(l.Name)
	if err != nil {
		return fail("configure link", l.Name, err)
	}
	l.Index = link.Attrs().Index
	if l.MAC != "" && l.Kind == Move {
		mac, err := net.ParseMAC(l.MAC)
		if err != nil {
			return fail("configure link", l.Name, err)
		}
		if err := h.LinkSetHardwareAddr(link, mac); err != nil {
			return fail("configure link", l.Name, err)
		}
	}
	if err := h.LinkSetUp(link); err != nil {
		return fail("configure link", l.Name, err)
	}
	for _, a := range l.Addresses {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			return fail("set address", a, err)
		}
		if err := h.AddrAdd(link, addr); err != nil && !errors.Is(err, unix.EEXIST) {
			return fail("set address", a, err)
		}
	}
	for _, r := range l.Routers {
		if err := addRoute(h, link, r); err != nil {
			return fail("set router", r, err)
		}
	}
	return nil
}

func addRoute(h *netlink.Handle, link netlink.Link, router string) error {
	ip := net.ParseIP(router)
	if ip == nil {
		return fmt.Errorf("%q is not an address", router)
	}
	// No destination means the default route, of the router's own family.
	err := h.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: ip, Flags: int(netlink.FLAG_ONLINK)})
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

func (l *Link) make(ns *os.File) error {
	if l.Kind == Move {
		link, err := netlink.LinkByName(l.Name)
		if err != nil {
			return err
		}
		if used(link) {
			return ErrInUse
		}
		l.Was = Settings{link.Attrs().MTU, link.Attrs().HardwareAddr.String()}
		return netlink.LinkSetNsFd(link, int(ns.Fd()))
	}
	parent, err := l.parent()
	if err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.Namespace = l.Name, netlink.NsFd(ns.Fd())
	if l.MAC != "" {
		if attrs.HardwareAddr, err = net.ParseMAC(l.MAC); err != nil {
			return err
		}
	}
	switch l.Kind {
	case VLAN:
		attrs.ParentIndex = parent.Attrs().Index
		return netlink.LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: l.VLAN})
	case Macvlan:
		attrs.ParentIndex = parent.Attrs().Index
		return netlink.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_BRIDGE})
	}
	return l.makeVeth(attrs, parent, ns)
}

// used reports whether the host does something with the link: it is up and has
// an address other than the one that each link has by itself, or is a part of
// another link.
func used(link netlink.Link) bool {
	if link.Attrs().MasterIndex != 0 {
		return true
	}
	addrs, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	if err != nil || link.Attrs().Flags&net.FlagUp == 0 {
		return false
	}
	return slices.ContainsFunc(addrs, func(a netlink.Addr) bool { return !a.IP.IsLinkLocalUnicast() })
}

// makeVeth makes the pair on the host first, because only there the bridge can
// take its end.
func (l Link) makeVeth(attrs netlink.LinkAttrs, bridge netlink.Link, ns *os.File) error {
	attrs.Name, attrs.Namespace = "", nil
	pair := &netlink.Veth{LinkAttrs: attrs}
	pair.Name = fmt.Sprintf("vz%x", unix.Gettid())
	pair.PeerName = l.Name
	pair.PeerNamespace = netlink.NsFd(ns.Fd())
	if attrs.HardwareAddr != nil {
		pair.PeerHardwareAddr, pair.HardwareAddr = attrs.HardwareAddr, nil
	}
	if err := netlink.LinkAdd(pair); err != nil {
		return err
	}
	err := netlink.LinkSetMaster(pair, bridge)
	if err == nil && l.VLAN != 0 {
		err = netlink.BridgeVlanAdd(pair, uint16(l.VLAN), true, true, false, true)
	}
	if err == nil && l.Guarded() {
		err = guard(pair, l.Addresses)
	}
	if err == nil {
		err = netlink.LinkSetUp(pair)
	}
	if err != nil {
		_ = netlink.LinkDel(pair)
	}
	return err
}

// parent finds the link of the host that l is made on; for a veth it has to
// be a bridge.
func (l Link) parent() (netlink.Link, error) {
	if l.Parent != Auto {
		return netlink.LinkByName(l.Parent)
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		if (r.Dst == nil || r.Dst.IP.IsUnspecified()) && r.LinkIndex > 0 {
			return netlink.LinkByIndex(r.LinkIndex)
		}
	}
	return nil, ErrNoLink
}

// Return takes the link back from the namespace behind ns: one of the host's
// goes home under its name, another is deleted. That it is not there is no
// error.
func (l Link) Return(ns *os.File) error {
	h, err := inside(ns)
	if err != nil {
		return fail("return link", l.Name, err)
	}
	defer h.Close()
	link, err := l.find(h)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return fail("return link", l.Name, err)
	}
	if l.Kind != Move {
		return fail("delete link", l.Name, h.LinkDel(link))
	}
	return fail("return link", l.Name, l.sendHome(h, link))
}

// find finds the link where names are what the namespace's root made of them:
// the index stays.
func (l Link) find(h *netlink.Handle) (netlink.Link, error) {
	if l.Index != 0 {
		return h.LinkByIndex(l.Index)
	}
	return h.LinkByName(l.Name)
}

func (l Link) sendHome(h *netlink.Handle, link netlink.Link) error {
	host, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer host.Close()
	if err := h.LinkSetDown(link); err != nil {
		return err
	}
	if err := l.Was.restore(h, link); err != nil {
		return err
	}
	name := link.Attrs().Name
	if name != l.Name {
		// On the host the name that it has now may be another link's.
		name = fmt.Sprintf("vr%x", unix.Gettid())
		if err := h.LinkSetName(link, name); err != nil {
			return err
		}
	}
	err = h.LinkSetNsFd(link, int(host.Fd()))
	if errors.Is(err, unix.EEXIST) {
		// So may its other names.
		for _, other := range link.Attrs().AltNames {
			_ = h.LinkDelAltName(link, other)
		}
		err = h.LinkSetNsFd(link, int(host.Fd()))
	}
	if err != nil || name == l.Name {
		return err
	}
	if link, err = netlink.LinkByName(name); err != nil {
		return err
	}
	return netlink.LinkSetName(link, l.Name)
}

// restore sets what has changed back.
func (s Settings) restore(h *netlink.Handle, link netlink.Link) error {
	if s.MTU != 0 && s.MTU != link.Attrs().MTU {
		if err := h.LinkSetMTU(link, s.MTU); err != nil {
			return err
		}
	}
	if s.MAC == "" || s.MAC == link.Attrs().HardwareAddr.String() {
		return nil
	}
	mac, err := net.ParseMAC(s.MAC)
	if err != nil {
		return err
	}
	return h.LinkSetHardwareAddr(link, mac)
}

// Free looks whether Add may make the address: ErrInUse when the host has it
// already, nil also when the link is not there.
func (a Address) Free() error {
	link, err := netlink.LinkByName(a.Link)
	if err != nil {
		return nil // Add says it
	}
	addr, err := netlink.ParseAddr(a.Address)
	if err != nil {
		return fail("set address", a.Address, err)
	}
	has, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	for _, h := range has {
		if h.IPNet.String() == addr.IPNet.String() {
			err = unix.EEXIST
		}
	}
	return fail("set address", a.Address+" on "+a.Link, err)
}

// Add sets the address on its link of the host. ErrNoLink when that is not
// there, ErrInUse when the host has the address already.
func (a Address) Add() error {
	link, err := netlink.LinkByName(a.Link)
	if err != nil {
		return fail("set address", a.Address+" on "+a.Link, err)
	}
	addr, err := netlink.ParseAddr(a.Address)
	if err != nil {
		return fail("set address", a.Address, err)
	}
	if err := netlink.AddrAdd(link, addr); err != nil {
		return fail("set address", a.Address+" on "+a.Link, err)
	}
	if a.Router == "" {
		return nil
	}
	h := &netlink.Handle{}
	if err := addRoute(h, link, a.Router); err != nil {
		_ = netlink.AddrDel(link, addr)
		return fail("set router", a.Router, err)
	}
	return nil
}

// Remove takes the address from its link. That it is not there is no error. A
// default route over it goes with it.
func (a Address) Remove() error {
	link, err := netlink.LinkByName(a.Link)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return fail("remove address", a.Address, err)
	}
	addr, err := netlink.ParseAddr(a.Address)
	if err != nil {
		return fail("remove address", a.Address, err)
	}
	err = netlink.AddrDel(link, addr)
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		return nil
	}
	return fail("remove address", a.Address+" from "+a.Link, err)
}

// IsBridge reports whether the link of the host is a bridge.
func IsBridge(name string) bool {
	_, err := os.Stat("/sys/class/net/" + name + "/bridge")
	return err == nil
}

// SPDX-License-Identifier: Apache-2.0

package network

import (
	"encoding/binary"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Where the addresses of senders stand, in bytes from the network header.
const (
	senderIPv4 = 12
	senderARP  = 14
	senderIPv6 = 8
)

// Guarded reports whether Add keeps the namespace from sending by other
// addresses than its own over the link: only where one end of it stays with
// the host can that be done out of the namespace's reach.
func (l Link) Guarded() bool { return l.Kind == Veth && len(l.Addresses) > 0 }

// guard drops what comes out of a namespace over the host's end of its link,
// except packets that name one of the addresses as the sender's, and those
// with which an address is claimed. It claims no others, and is no router. It
// ends with the link.
func guard(end netlink.Link, addresses []string) error {
	index := end.Attrs().Index
	err := netlink.QdiscAdd(&netlink.GenericQdisc{QdiscType: "clsact", QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}})
	if err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	g := &guarding{index: index}
	var six []net.IP
	var four bool
	for _, text := range addresses {
		ip, _, err := net.ParseCIDR(text)
		if err != nil {
			return err
		}
		if v4 := ip.To4(); v4 != nil {
			four = true
			g.allow(unix.ETH_P_IP, matching(senderIPv4, v4, 32))
			g.allow(unix.ETH_P_ARP, arp(matching(senderARP, v4, 32)))
		} else {
			six = append(six, ip.To16())
		}
	}
	if four {
		g.allow(unix.ETH_P_ARP, arp(matching(senderARP, net.IPv4zero.To4(), 32)))
	}
	if six != nil {
		g.neighbours(six)
		for _, ip := range six {
			g.allow(unix.ETH_P_IPV6, matching(senderIPv6, ip, 128))
		}
		g.allow(unix.ETH_P_IPV6, matching(senderIPv6, linkLocal, 10))
		g.allow(unix.ETH_P_IPV6, matching(senderIPv6, net.IPv6unspecified, 128))
	}
	g.dropRest()
	return g.err
}

// guarding is the filters of one link under way; a failure ends them.
type guarding struct {
	index    int
	priority uint16
	err      error
}

func (g *guarding) attrs(protocol uint16) netlink.FilterAttrs {
	g.priority++
	return netlink.FilterAttrs{LinkIndex: g.index, Parent: netlink.HANDLE_MIN_INGRESS, Priority: g.priority, Protocol: protocol}
}

func (g *guarding) add(f netlink.Filter) {
	if g.err != nil {
		return
	}
	if err := netlink.FilterAdd(f); err != nil {
		g.err = fmt.Errorf("filter: %w", err)
	}
}

func verdict(v netlink.TcAct) []netlink.Action {
	return []netlink.Action{&netlink.GenericAction{ActionAttrs: netlink.ActionAttrs{Action: v}}}
}

func (g *guarding) allow(protocol uint16, keys []netlink.TcU32Key) {
	g.add(&netlink.U32{FilterAttrs: g.attrs(protocol), Actions: verdict(netlink.TC_ACT_OK),
		Sel: &netlink.TcU32Sel{Flags: nl.TC_U32_TERMINAL, Nkeys: uint8(len(keys)), Keys: keys}})
}

func (g *guarding) drop(protocol uint16, keys []netlink.TcU32Key) {
	g.add(&netlink.U32{FilterAttrs: g.attrs(protocol), Actions: verdict(netlink.TC_ACT_SHOT),
		Sel: &netlink.TcU32Sel{Flags: nl.TC_U32_TERMINAL, Nkeys: uint8(len(keys)), Keys: keys}})
}

func (g *guarding) dropRest() {
	g.add(&netlink.MatchAll{FilterAttrs: g.attrs(unix.ETH_P_ALL), Actions: verdict(netlink.TC_ACT_SHOT)})
}

// matching compares the first bits of an address with what stands at an offset.
func matching(offset int32, address net.IP, bits int) []netlink.TcU32Key {
	var keys []netlink.TcU32Key
	for at := 0; at < len(address) && bits > 0; at += 4 {
		mask := ^uint32(0)
		if bits < 32 {
			mask <<= 32 - bits
		}
		keys = append(keys, netlink.TcU32Key{Mask: mask, Val: binary.BigEndian.Uint32(address[at:]) & mask, Off: offset + int32(at)})
		bits -= 32
	}
	return keys
}

// arp adds to what is compared that a packet maps IPv4 to Ethernet addresses:
// in others the sender stands elsewhere.
func arp(keys []netlink.TcU32Key) []netlink.TcU32Key {
	return append(keys,
		netlink.TcU32Key{Mask: 0xffffffff, Val: 0x00010800, Off: 0},
		netlink.TcU32Key{Mask: 0xffff0000, Val: 0x06040000, Off: 4})
}

// SPDX-License-Identifier: Apache-2.0

package network

import (
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Headers of IPv6 by their numbers (RFC 8200), and messages of ICMPv6 by theirs
// (RFC 4861, 2710 and 3810).
const (
	hopByHop    = 0
	routing     = 43
	fragment    = 44
	icmpv6      = 58
	destination = 60

	listenerReport   = 131
	listenerDone     = 132
	routerAdvert     = 134
	neighbourAdvert  = 136
	redirect         = 137
	listenerReportV2 = 143
)

// Where they stand, in bytes from the network header.
const (
	firstHeader  = 6  // the number of the header after IPv6's own
	secondHeader = 40 // what follows that: a type of ICMPv6, or the next number
	thirdHeader  = 48 // what follows eight bytes of options
	targetIPv6   = 48 // of a neighbour advertisement
)

// linkLocal is what begins an address that counts on one link alone.
var linkLocal = net.ParseIP("fe80::")

// neighbours drops messages that make a namespace its neighbours' router, or
// the place of others' addresses, and headers behind which they could hide.
func (g *guarding) neighbours(own []net.IP) {
	for _, ip := range own {
		g.allow(unix.ETH_P_IPV6, append(message(neighbourAdvert), matching(targetIPv6, ip, 128)...))
	}
	g.allow(unix.ETH_P_IPV6, append(message(neighbourAdvert), matching(targetIPv6, linkLocal, 10)...))
	for _, kind := range []uint32{neighbourAdvert, routerAdvert, redirect} {
		g.drop(unix.ETH_P_IPV6, message(kind))
	}
	// Whoever listens to a group says so behind an option for routers.
	for _, kind := range []uint32{listenerReport, listenerDone, listenerReportV2} {
		g.allow(unix.ETH_P_IPV6, []netlink.TcU32Key{following(hopByHop),
			{Mask: 0xffff0000, Val: icmpv6 << 24, Off: secondHeader}, {Mask: 0xff000000, Val: kind << 24, Off: thirdHeader}})
	}
	for _, header := range []uint32{hopByHop, routing, destination} {
		g.drop(unix.ETH_P_IPV6, []netlink.TcU32Key{following(header)})
	}
	// Only such addresses are a router's; others may have much to send.
	g.drop(unix.ETH_P_IPV6, append(matching(senderIPv6, linkLocal, 10), following(fragment)))
}

// following compares the header that comes after IPv6's own.
func following(header uint32) netlink.TcU32Key {
	return netlink.TcU32Key{Mask: 0x0000ff00, Val: header << 8, Off: firstHeader - 2}
}

// message compares a message of ICMPv6.
func message(kind uint32) []netlink.TcU32Key {
	return []netlink.TcU32Key{following(icmpv6), {Mask: 0xff000000, Val: kind << 24, Off: secondHeader}}
}

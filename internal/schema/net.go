// SPDX-License-Identifier: Apache-2.0

package schema

// Network interfaces of the zone.
var (
	NetAddress = optional("address", addressKind, "The address of the zone on this link, with shared ip-type.",
		saysAddress, matches)
	NetAllowedAddress = optional("allowed-address", addressesKind,
		"The address that the zone may use on this link, with exclusive ip-type.", saysAddress, selects)
	NetPhysical = required("physical", linkName, "The network link.", from(Links), matches,
		saysOf("%s: invalid physical interface name"))
	NetDefrouter = optional("defrouter", routerKind, "The default router.", saysAddress, selects)
	NetGlobalNIC = optional("global-nic", text, "The link of the host over which the zone's link is made at boot.",
		limit(31), quiet, canClear, selects, from(Links))
	NetMACAddr  = optional("mac-addr", text, "The hardware address of the zone's link.", limit(31), quiet, canClear, selects)
	NetVLANID   = optional("vlan-id", text, "The VLAN of the zone's link.", limit(15), quiet, canClear, selects)
	NetProperty = composites("property", "net-attr", "Further properties, for the brand to interpret.",
		nameValueFields, nameValue, sampleNameValue, quiet)
)

// NetResource is a network interface. It has no key: what makes two of them
// the same depends on the zone's ip-type.
var NetResource = resource(Resource{
	Name: "net", Element: "network",
	Help: "A network interface of the zone.",
}, nil, NetAddress, NetAllowedAddress, NetPhysical, NetDefrouter, NetGlobalNIC, NetMACAddr, NetVLANID, NetProperty)

// NameValue is a further property of a network interface or a device.
type NameValue struct {
	Name, Value string
}

var nameValueFields = []Field{{Name: "name"}, {Name: "value", Quoted: true}}

func nameValue(i Item) (NameValue, error) {
	if len(i) != 2 || i[0] == "" {
		return NameValue{}, ErrInvalid
	}
	return NameValue{i[0], i[1]}, nil
}

func sampleNameValue(r *Rand) string { return sampleWord(r) + "\x00" + sampleText(r) }

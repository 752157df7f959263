// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"fmt"
	"net/netip"
	"strings"
)

// An Address is how the configuration names a host: an IP address or a host
// name, and perhaps the length of the prefix of its network.
type Address struct {
	IP   netip.Addr // invalid when Host is set
	Host string     // a name that nobody has resolved yet
	Bits int        // prefix length; -1 when none was given
}

func (a Address) String() string {
	s := a.Host
	if a.IP.IsValid() {
		s = a.IP.String()
	}
	if a.Bits >= 0 {
		s = fmt.Sprintf("%s/%d", s, a.Bits)
	}
	return s
}

// Prefix is the address with its network; false for host names and addresses
// without a prefix length.
func (a Address) Prefix() (netip.Prefix, bool) {
	if !a.IP.IsValid() || a.Bits < 0 {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a.IP, a.Bits), true
}

// AddressError is a text that is no address.
type AddressError struct {
	Kind AddressFault
	Text string // what is wrong, without the prefix where that does not matter
}

// AddressFault says what is wrong with an address.
type AddressFault int

// The faults, in the order of the checks.
const (
	NeedsPrefix AddressFault = iota // IPv6 without prefix length
	BadPrefix6
	BadPrefix4
	BadHost
)

const addressHelp = `<net-address> is a IPv4 or IPv6 network address in the form:
	<IPv4-address>[/<IPv4-prefix-length>]
	<IPv6-address>/<IPv6-prefix-length>
	<hostname>[/<IPv4-prefix-length>]`

func (e *AddressError) Error() string {
	switch e.Kind {
	case NeedsPrefix:
		return e.Text + ": IPv6 addresses require /prefix-length suffix."
	case BadPrefix6:
		return e.Text + ": IPv6 address prefix lengths must be 0 - 128."
	case BadPrefix4:
		return e.Text + ": IPv4 address prefix lengths must be 0 - 32."
	}
	return e.Text + ": bogus host name or network address syntax\n" + addressHelp
}

// ParseAddress reads IPV4[/0..32], IPV6/0..128 or HOST[/0..32]. As on illumos
// a dotted number that is no address passes as a host name, and of the prefix
// only the leading digits count, none meaning 0.
func ParseAddress(s string) (Address, error) {
	host, suffix, slash := strings.Cut(s, "/")
	a := Address{Bits: -1}
	if slash {
		a.Bits = leadingNumber(suffix)
	}
	ip, err := netip.ParseAddr(host)
	if err == nil && ip.Is6() && ip.Zone() == "" {
		a.IP = ip
		if !slash {
			return a, &AddressError{NeedsPrefix, s}
		}
		if a.Bits > 128 {
			return a, &AddressError{BadPrefix6, s}
		}
		return a, nil
	}
	if strings.Contains(host, ":") {
		return a, &AddressError{BadHost, host}
	}
	if slash && a.Bits > 32 {
		return a, &AddressError{BadPrefix4, s}
	}
	if err == nil && ip.Is4() {
		a.IP = ip
		return a, nil
	}
	if host == "" || !strings.Contains(letters+digits, host[:1]) || strings.Trim(host, letters+digits+"-.") != "" {
		return a, &AddressError{BadHost, host}
	}
	a.Host = host
	return a, nil
}

func leadingNumber(s string) int {
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			break
		}
		if n = n*10 + int(c-'0'); n > 1000 {
			return n
		}
	}
	return n
}

// SameAddress reports whether two texts name the same address: equal, or
// equal but for a prefix length that only one of them has.
func SameAddress(a, b string) bool {
	if a == b {
		return true
	}
	hostA, _, slashA := strings.Cut(a, "/")
	hostB, _, slashB := strings.Cut(b, "/")
	return slashA != slashB && hostA == hostB
}

func saysAddress(p *Property) {
	p.says = func(_, _, _ string, err error) string { return err.Error() }
}

const allowedAddress = "an IPv4 address with or without /LENGTH, an IPv6 address with /LENGTH, or a host name"

var addressKind = Kind[Address]{
	Meta: "ADDRESS", Allowed: allowedAddress, Max: 63, parse: ParseAddress,
	sample: pick("10.0.0.5", "10.0.0.5/24", "fe80::1/64", "2001:db8::5/128", "www", "db.example.com/16"),
}

// addressesKind is one address, or several with commas between them; only the
// first is checked when it is set.
var addressesKind = Kind[[]Address]{
	Meta: "ADDRESS", Allowed: allowedAddress, Max: 1023,
	parse: func(s string) ([]Address, error) {
		if first, err := ParseAddress(s); err != nil || !strings.Contains(s, ",") {
			return []Address{first}, err
		}
		var all []Address
		for _, one := range strings.Split(s, ",") {
			a, err := ParseAddress(strings.TrimSpace(one))
			if err != nil {
				return nil, err
			}
			all = append(all, a)
		}
		return all, nil
	},
	sample: addressKind.sample,
}

// routerKind is an address on the zone's own network, so that a prefix has no
// meaning and an IPv6 address needs none.
var routerKind = Kind[Address]{
	Meta: "ADDRESS", Allowed: "an IPv4 or IPv6 address or a host name", Max: 63,
	parse: func(s string) (Address, error) {
		if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
			return Address{IP: ip, Bits: -1}, nil
		}
		return ParseAddress(s)
	},
	sample: pick("10.0.0.1", "fe80::1", "router", "2001:db8::1"),
}

// linkName is the name of a network link; whether it fits is a matter of the
// zone's ip-type, see LinkProblem.
var linkName = Kind[string]{
	Meta: "LINK", Allowed: "the name of a network link", Max: 31,
	sample: pick("eth0", "net1", "vnic0", "enp0s3", "br_lan0"),
	parse: func(s string) (string, error) {
		if s == "" || len(s) > 31 || strings.ContainsAny(s, "/ \t\x00") {
			return "", ErrInvalid
		}
		return s, nil
	},
}

// LinkProblem says what is wrong with a link's name for a zone of the given
// ip-type; nothing when it fits. A link that the host has always fits; who
// asks knows whether it has.
func LinkProblem(name string, exclusive bool) string {
	bad := name + ": invalid physical interface name"
	base, unit, logical := strings.Cut(name, ":")
	switch {
	case exclusive && logical:
		return name + ": physical interface name required; logical interface name not allowed"
	case len(name) > 31 || base == "":
		return bad
	}
	stem := strings.TrimRight(base, digits)
	number := base[len(stem):]
	if stem == "" || number == "" || strings.Trim(base, letters+digits+"_.") != "" {
		return bad
	}
	if exclusive {
		if strings.Contains(digits, base[:1]) {
			return bad
		}
		return ""
	}
	if !strings.Contains(letters, base[:1]) || len(number) > 1 && number[0] == '0' {
		return bad
	}
	if logical {
		if unit == "" || strings.Trim(unit, digits) != "" {
			return bad
		}
		return name + ": LUNs not allowed in physical interface names"
	}
	return ""
}

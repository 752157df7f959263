// SPDX-License-Identifier: Apache-2.0

package network

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// namespaces makes two network namespaces and enters the first, on a thread
// that is of no use afterwards.
func namespaces(t *testing.T) (host, zone netns.NsHandle) {
	t.Helper()
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	zone, err := netns.New()
	if err == nil {
		host, err = netns.New()
	}
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no network namespace can be made: %v", err)
		}
		t.Skipf("requires the right to make network namespaces: %v", err)
	}
	t.Cleanup(func() { host.Close(); zone.Close() })
	return host, zone
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// enter runs f in a namespace and comes back.
func enter(t *testing.T, there, back netns.NsHandle, f func()) {
	t.Helper()
	must(t, netns.Set(there))
	defer func() { must(t, netns.Set(back)) }()
	f()
}

// A zone's packets pass with an address that it may use, and no others.
func TestGuard(t *testing.T) {
	host, zone := namespaces(t)
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br"}}
	must(t, netlink.LinkAdd(bridge))
	for _, a := range []string{"10.99.0.1/24", "fd99::1/64"} {
		addr, err := netlink.ParseAddr(a)
		must(t, err)
		addr.Flags = unix.IFA_F_NODAD
		must(t, netlink.AddrAdd(bridge, addr))
	}
	must(t, netlink.LinkSetUp(bridge))
	ns := os.NewFile(uintptr(zone), "zone")
	link := Link{Kind: Veth, Name: "net0", Parent: "br", Addresses: []string{"10.99.0.2/24", "fd99::2/64"}}
	err := link.Add(ns)
	if errors.Is(err, unix.ENOENT) {
		// No machine of tests owes us that; the scenarios try it in a zone.
		t.Skipf("requires a kernel with classifiers of packets: %v", err)
	}
	must(t, err)
	enter(t, zone, host, func() {
		own, err := netlink.LinkByName("net0")
		must(t, err)
		// Its root helps itself to more addresses, and needs not wait for
		// those that it has.
		for _, a := range []string{"10.99.0.9/24", "fd99::2/64", "fd99::9/64"} {
			addr, err := netlink.ParseAddr(a)
			must(t, err)
			addr.Flags = unix.IFA_F_NODAD
			must(t, netlink.AddrReplace(own, addr))
		}
	})
	for _, c := range []struct {
		from, to string
		passes   bool
	}{
		{"10.99.0.2", "10.99.0.1", true}, {"10.99.0.9", "10.99.0.1", false},
		{"fd99::2", "fd99::1", true}, {"fd99::9", "fd99::1", false},
	} {
		t.Run(c.from, func(t *testing.T) {
			runtime.LockOSThread()
			must(t, netns.Set(host))
			if got := arrives(t, host, zone, c.from, c.to); got != c.passes {
				t.Errorf("a packet from %s passes: %v", c.from, got)
			}
		})
	}
	// What is made for it goes with it.
	runtime.LockOSThread()
	must(t, netns.Set(host))
	must(t, link.Return(ns))
	links, err := netlink.LinkList()
	must(t, err)
	if len(links) != 2 {
		t.Errorf("links are left: %v", links)
	}
}

// arrives sends from the zone until something gets through or two seconds have
// passed.
func arrives(t *testing.T, host, zone netns.NsHandle, from, to string) bool {
	t.Helper()
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(to)})
	must(t, err)
	defer server.Close()
	var client net.Conn
	enter(t, zone, host, func() {
		dialer := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
		client, err = dialer.Dial("udp", server.LocalAddr().String())
		must(t, err)
	})
	defer client.Close()
	buf := make([]byte, 100)
	for i := range 10 {
		_, _ = fmt.Fprintf(client, "%d", i)
		must(t, server.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
		if n, _, err := server.ReadFromUDP(buf); err == nil && n > 0 {
			return true
		}
	}
	return false
}

// A link of the host comes home under its name, whatever the zone calls it and
// puts in its place.
func TestComesHome(t *testing.T) {
	host, zone := namespaces(t)
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "host0"}, PeerName: "other"}))
	ns := os.NewFile(uintptr(zone), "zone")
	before, err := netlink.LinkByName("host0")
	must(t, err)
	link := Link{Kind: Move, Name: "host0", MAC: "02:00:00:00:00:07"}
	must(t, link.Add(ns))
	enter(t, zone, host, func() {
		own, err := netlink.LinkByName("host0")
		must(t, err)
		must(t, netlink.LinkSetDown(own))
		must(t, netlink.LinkSetMTU(own, 1280))
		must(t, netlink.LinkSetName(own, "other"))
		must(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "host0"}}))
	})
	must(t, link.Return(ns))
	home, err := netlink.LinkByName("host0")
	must(t, err)
	if home.Type() != "veth" {
		t.Errorf("what came home is a %s", home.Type())
	}
	was, is := before.Attrs(), home.Attrs()
	if is.MTU != was.MTU || is.HardwareAddr.String() != was.HardwareAddr.String() {
		t.Errorf("it came home with %d %v, and was %d %v", is.MTU, is.HardwareAddr, was.MTU, was.HardwareAddr)
	}
	if _, err := netlink.LinkByName("other"); err != nil {
		t.Errorf("the host's other link: %v", err)
	}
}

// An address of the host is not free, on whatever terms it has it.
func TestFree(t *testing.T) {
	namespaces(t)
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "host0"}, PeerName: "other"}))
	a, six := Address{Link: "host0", Address: "10.99.0.1/24"}, Address{Link: "host0", Address: "fd99::1/64"}
	for _, a := range []Address{a, six} {
		must(t, a.Free())
		must(t, a.Add())
		if err := a.Free(); !errors.Is(err, ErrInUse) {
			t.Errorf("%s: %v", a.Address, err)
		}
		must(t, a.Remove())
		must(t, a.Free())
	}
	must(t, Address{Link: "none0", Address: "10.99.0.1/24"}.Free())
}

// What the host uses is not taken from it.
func TestUsed(t *testing.T) {
	_, zone := namespaces(t)
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "host0"}, PeerName: "other"}))
	must(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br"}}))
	ns := os.NewFile(uintptr(zone), "zone")
	for _, name := range []string{"host0", "other"} {
		own, err := netlink.LinkByName(name)
		must(t, err)
		if name == "other" {
			br, err := netlink.LinkByName("br")
			must(t, err)
			must(t, netlink.LinkSetMaster(own, br))
		} else {
			addr, err := netlink.ParseAddr("10.99.0.1/24")
			must(t, err)
			must(t, netlink.AddrAdd(own, addr))
			must(t, netlink.LinkSetUp(own))
		}
		if err := (&Link{Kind: Move, Name: name}).Add(ns); !errors.Is(err, ErrInUse) {
			t.Errorf("%s: %v", name, err)
		}
		_, err = netlink.LinkByName(name)
		must(t, err)
	}
}

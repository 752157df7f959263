// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"zones/internal/brand"
	"zones/internal/control"
	"zones/internal/delegns"
	"zones/internal/store"
	"zones/internal/zone"
)

// ownZone is the name of the zone this process runs in, "" on the host.
func ownZone() zone.Name {
	id, name, err := delegns.Own()
	if err != nil || id == 0 {
		return ""
	}
	return zone.Name(name)
}

// ownRow shows, inside a zone, that zone.
func (m *Manager) ownRow() (Row, error) {
	id, name, err := delegns.Own()
	if err != nil {
		return Row{}, named("could not get state", err)
	}
	row := Row{
		ID: id, Active: true, Name: zone.Name(name), State: zone.Running, Path: "/",
		Brand: brand.Default, Exclusive: ownNetwork(),
	}
	if name := control.OwnBrand(); name != "" {
		row.Brand = name
	}
	if e, err := store.Open("").Lookup(row.Name); err == nil {
		row.UUID = e.UUID
	}
	return row, nil
}

// ownNetwork reports whether the network namespace of this process belongs to
// its zone: the kernel tells nobody the owner of one from outside.
func ownNetwork() bool {
	f, err := os.Open("/proc/self/ns/net")
	if err != nil {
		return false
	}
	defer f.Close()
	fd, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_USERNS)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// activeID reports whether a word is the number of an active zone.
func (m *Manager) activeID(word string) bool {
	names, err := control.Active()
	if err != nil || m.Store.Root() != "" {
		return false
	}
	for _, name := range names {
		record, _, err := control.Status(name)
		if err == nil && strconv.FormatUint(record.ID, 10) == word {
			return true
		}
	}
	return false
}

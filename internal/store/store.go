// SPDX-License-Identifier: Apache-2.0

// Package store keeps zone configurations on disk: the index, one XML file a
// zone, templates and locks below /etc/zones and /run/zones of a root. It
// checks the form of what it reads, never whether a configuration makes sense,
// and it asks neither the kernel nor a brand anything.
//
// Whatever changes a file holds the index lock, writes a complete new file
// beside the old one and renames it; a change of several files is decided by
// one rename of a journal, which the next session carries out if this one dies
// (see journal.go). Readers take no lock.
package store

import (
	"path/filepath"
	"strings"

	"zones/internal/zone"
)

// A Store is the configuration of one root. It holds no descriptor and no
// cache, so its methods may be called from several goroutines.
type Store struct {
	root string
}

// Open returns the store below root, an absolute path; "" and "/" mean the
// running system. Nothing is read or made yet.
func Open(root string) *Store {
	return &Store{root: strings.TrimRight(filepath.Clean("/"+root), "/")}
}

// Root is the alternate root without a trailing slash, or "" for the running
// system.
func (s *Store) Root() string { return s.root }

// ConfigDir is the folder of the index, the XML files and the templates.
func (s *Store) ConfigDir() string { return s.root + "/etc/zones" }

// ConfigFile is the path of a zone's or template's XML file.
func (s *Store) ConfigFile(name zone.Name) string {
	return s.ConfigDir() + "/" + fileName(name)
}

// IndexFile is the path of the index.
func (s *Store) IndexFile() string { return s.ConfigDir() + "/" + indexName }

// RunDir is the folder of what lives until the machine reboots: locks, sockets
// and snapshots; its mode is 0711.
func (s *Store) RunDir() string { return s.root + "/run/zones" }

// zoneLockFile is the administration lock of a zone; see [Store.LockZone].
func (s *Store) zoneLockFile(name zone.Name) string {
	return s.RunDir() + "/" + string(name) + ".zoneadm.lock"
}

// SnapshotFile is where the configuration is kept that a zone was booted with.
func (s *Store) SnapshotFile(name zone.Name) string {
	return s.RunDir() + "/" + string(name) + ".snapshot.xml"
}

const indexName = "index"

func fileName(name zone.Name) string { return string(name) + ".xml" }

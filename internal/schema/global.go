// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"errors"
	"strconv"
	"strings"

	"zones/internal/zone"
)

// The zone's own properties, in the order in which info shows them.
var (
	ZoneName = required("zonename", zoneName, "The name of the zone.", attr("name"), bare,
		says(func(_, _, text string, err error) string { return text + ": " + err.Error() }))
	ZonePath = required("zonepath", zonePath,
		"Where the zone lives in the file system; its root is the folder root below it.", bare,
		says(func(_, _, text string, err error) string {
			if errors.Is(err, ErrRange) {
				return text + " is not allowed as a zonepath."
			}
			return text + " is not an absolute path."
		}))
	Brand = optional("brand", text, "The kind of zone: what is installed and how it is booted.",
		from(Brands), limit(255), bare)
	AutoBoot = optional("autoboot", boolean, "Whether the zone boots when the host does.",
		byDefault("false"), canClear, bare, saysOf("autoboot value must be 'true' or 'false'."))
	BootArgs = optional("bootargs", text, "Arguments that every boot of the zone gets unless others are given.",
		canClear, limit(255), bare)
	Pool = optional("pool", poolName, "The pool of processors that the zone is bound to.",
		canClear, limit(255), bare, saysOf("pool names starting with SUNW are reserved."))
	LimitPriv = optional("limitpriv", privileges, "The privileges that no process of the zone can exceed.",
		canClear, bare, limit(2047), at(AtVerify))
	SchedulingClass = optional("scheduling-class", text, "The scheduling class of the zone's processes.",
		canClear, limit(255), bare)
	IPType = optional("ip-type", enum("IP-TYPE", "shared", "exclusive"),
		"Whether the zone has the host's network stack or one of its own.",
		byDefault("shared"), canClear, bare, saysOf("ip-type value must be 'shared' or 'exclusive'."))
	HostID = optional("hostid", hostID, "The host identifier that the zone sees.", canClear, bare,
		says(func(_, prop, text string, err error) string {
			if errors.Is(err, ErrTooLong) {
				return "hostid string is too large: " + text
			}
			return prop + ": " + ErrInvalid.Error()
		}))
	FSAllowed = optional("fs-allowed", fsAllowed, "The types of file system that the zone itself may mount.",
		canClear, bare, says(func(zone, _, _ string, err error) string { return zone + ": " + err.Error() }))

	MaxLWPs      = alias("max-lwps", count(100, maxRctl), "zone.max-lwps", "The most threads that the zone may have.")
	MaxProcesses = alias("max-processes", count(100, maxRctl), "zone.max-processes",
		"The most processes that the zone may have.")
	MaxShmMemory = alias("max-shm-memory", size(0), "zone.max-shm-memory",
		"The most System V shared memory that the zone may have.", needsSize(nonNegativeSize, ""))
	MaxShmIDs = alias("max-shm-ids", count(0, maxRctl), "zone.max-shm-ids",
		"The most System V shared memory segments that the zone may have.")
	MaxMsgIDs = alias("max-msg-ids", count(0, maxRctl), "zone.max-msg-ids",
		"The most System V message queues that the zone may have.")
	MaxSemIDs = alias("max-sem-ids", count(0, maxRctl), "zone.max-sem-ids",
		"The most System V semaphore sets that the zone may have.")
	CPUShares = alias("cpu-shares", count(0, maxRctl), "zone.cpu-shares",
		"The zone's weight when zones compete for processors.", action("none"))
	ZFSIOPriority = alias("zfs-io-priority", count(0, maxRctl), "zone.zfs-io-priority",
		"The zone's weight when zones compete for storage.", action("none"))

	IDBase = optional("id-base", count(idUnit, maxID),
		"The first of the user and group ids of the host that stand for the zone's ids from 0.",
		canClear, quiet, bare, outOfRange)
	IDSize = optional("id-size", count(idUnit, maxID),
		"How many ids the zone has; one that is to hold zones of its own needs more than the default.",
		canClear, quiet, bare, outOfRange, byDefault("65536"))
)

// Global is the zone itself, as far as it has properties of its own.
var Global = resource(Resource{Help: "The zone itself.", Element: "zone", Single: true, Host: true}, nil,
	ZoneName, ZonePath, Brand, AutoBoot, BootArgs, Pool, LimitPriv, SchedulingClass, IPType, HostID, FSAllowed,
	MaxLWPs, MaxProcesses, MaxShmMemory, MaxShmIDs, MaxMsgIDs, MaxSemIDs, CPUShares, ZFSIOPriority,
	IDBase, IDSize)

const (
	maxRctl = 1<<64 - 1
	idUnit  = 65536     // ids below belong to the host; a smaller range misses nobody
	maxID   = 1<<32 - 2 // the last 32-bit id is "none" to the kernel
)

// alias declares a property of the zone that is a resource control.
func alias(name string, k Kind[uint64], rctl, help string, opts ...option) Prop[uint64] {
	return optional(name, k, help, append([]option{aliasOf(rctl, "deny"), canClear, quiet, bare, outOfRange}, opts...)...)
}

func action(a string) option { return func(p *Property) { p.Alias.Action = a } }

var zoneName = Kind[zone.Name]{
	Meta: "NAME", Allowed: "a zone name", Max: zone.MaxName,
	parse: func(s string) (zone.Name, error) {
		n, err := zone.ParseName(s)
		if err != nil || n.Template() {
			return "", errors.New("Bogus zone name")
		}
		return n, nil
	},
	sample: sampleWord,
}

var poolName = Kind[string]{
	Meta: "POOL", Allowed: "any name that does not begin with SUNW",
	parse: func(s string) (string, error) {
		if strings.HasPrefix(s, "SUNW") {
			return "", ErrInvalid
		}
		return s, nil
	},
	sample: func(r *Rand) string { return sampleText(r) },
}

// hostID is a 32-bit number in hexadecimal, with or without 0x, all but the
// greatest.
var hostID = Kind[uint32]{
	Meta: "HEX", Allowed: "a hexadecimal number from 0 to FFFFFFFE",
	parse: func(s string) (uint32, error) {
		if len(s) > 10 {
			return 0, ErrTooLong
		}
		digits := s
		if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") {
			digits = s[2:]
		}
		n, err := strconv.ParseUint(digits, 16, 64)
		if err != nil || n >= 1<<32-1 {
			return 0, ErrInvalid
		}
		return uint32(n), nil
	},
	sample: func(r *Rand) string { return "0x" + strconv.FormatUint(uint64(r.Uint32N(1<<32-2)), 16) },
}

// fsAllowed is a list of file system types in one text. A first element "-"
// stands for none of the defaults.
var fsAllowed = Kind[[]string]{
	Meta: "TYPES", Allowed: "file system types with commas between them",
	parse: func(s string) ([]string, error) {
		if len(s) > 1024 {
			return nil, ErrTooLong
		}
		if s == "" {
			return nil, nil
		}
		types := strings.Split(s, ",")
		for _, t := range types {
			if t == "" || strings.Trim(t, letters+digits+"-") != "" {
				return nil, ErrInvalid
			}
		}
		return types, nil
	},
	sample: pick("ext4", "nfs,tmpfs", "-,ext4", "xfs,btrfs,nfs4"),
}

const (
	digits  = "0123456789"
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

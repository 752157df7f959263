// SPDX-License-Identifier: Apache-2.0

package image

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// names maps the owner's names of a member to its ids: GNU tar writes ACLs
// with names, and the only ones it tells the ids of are those.
type names struct {
	user, group string
	uid, gid    int
}

// The tags of an ACL entry, in the order in which the kernel wants them.
const (
	aclUserObj  = 0x01
	aclUser     = 0x02
	aclGroupObj = 0x04
	aclGroup    = 0x08
	aclMask     = 0x10
	aclOther    = 0x20
	aclNoID     = 0xffffffff
)

type aclEntry struct {
	tag, perm uint16
	id        uint32
}

// parseACL turns the text form of a POSIX ACL, entries parted by commas or
// newlines, into the kernel's (linux/posix_acl_xattr.h).
func parseACL(text string, owner names) ([]byte, error) {
	var entries []aclEntry
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' }) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		e, err := parseACLEntry(line, owner)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b aclEntry) int {
		if a.tag != b.tag {
			return int(a.tag) - int(b.tag)
		}
		return int(int64(a.id) - int64(b.id))
	})
	raw := binary.LittleEndian.AppendUint32(nil, 2) // the version
	for _, e := range entries {
		raw = binary.LittleEndian.AppendUint16(raw, e.tag)
		raw = binary.LittleEndian.AppendUint16(raw, e.perm)
		raw = binary.LittleEndian.AppendUint32(raw, e.id)
	}
	return raw, nil
}

func parseACLEntry(line string, owner names) (aclEntry, error) {
	f := strings.Split(line, ":")
	if len(f) < 2 {
		return aclEntry{}, fmt.Errorf("malformed ACL entry %q", line)
	}
	if len(f) == 2 { // mask and other may leave the name out
		f = []string{f[0], "", f[1]}
	}
	e := aclEntry{id: aclNoID}
	for _, c := range f[2] {
		switch c {
		case 'r':
			e.perm |= 4
		case 'w':
			e.perm |= 2
		case 'x':
			e.perm |= 1
		case '-':
		default:
			return e, fmt.Errorf("malformed ACL entry %q", line)
		}
	}
	known, id := owner.user, owner.uid
	switch f[0] {
	case "user", "u":
		e.tag = aclUserObj
	case "group", "g":
		e.tag = aclGroupObj
		known, id = owner.group, owner.gid
	case "mask", "m":
		e.tag = aclMask
	case "other", "o":
		e.tag = aclOther
	default:
		return e, fmt.Errorf("malformed ACL entry %q", line)
	}
	if f[1] == "" || e.tag == aclMask || e.tag == aclOther {
		return e, nil
	}
	e.tag <<= 1 // a named user or group
	switch n, err := strconv.ParseUint(f[1], 10, 16); {
	case len(f) > 3: // star adds the id
		n, err = strconv.ParseUint(f[3], 10, 16)
		if err != nil {
			return e, fmt.Errorf("malformed ACL entry %q", line)
		}
		e.id = uint32(n)
	case err == nil:
		e.id = uint32(n)
	case f[1] == known:
		e.id = uint32(id)
	default:
		return e, fmt.Errorf("unknown name in ACL entry %q", line)
	}
	return e, nil
}

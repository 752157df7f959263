// SPDX-License-Identifier: Apache-2.0

package image

import (
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

type xattr struct {
	name  string
	value []byte
}

const (
	capability = "security.capability"
	aclAccess  = "system.posix_acl_access"
	aclDefault = "system.posix_acl_default"
)

// wantXattr tells the attributes that belong to a file from those that belong
// to the machine it came from (labels, overlay marks, integrity hashes).
func wantXattr(name string) bool {
	return strings.HasPrefix(name, "user.") || name == capability ||
		name == aclAccess || name == aclDefault
}

func (t *tree) setXattr(fd int, x xattr) error {
	if x.name == capability {
		x.value = plainCapability(x.value)
		if x.value == nil {
			t.notes.add("malformed capabilities left out", x.name)
			return nil
		}
		if !t.asRoot {
			return nil
		}
	}
	err := unix.Fsetxattr(fd, x.name, x.value, 0)
	switch err {
	case unix.ENOTSUP:
		t.notes.add("attributes that the file system does not keep left out", x.name)
		return nil
	case unix.EINVAL, unix.ERANGE, unix.E2BIG:
		t.notes.add("malformed attributes left out", x.name)
		return nil
	}
	return err
}

// plainCapability takes the owner's user namespace off a file capability
// (revision 3 to revision 2): the numbers of another machine's namespaces mean
// nothing here, and the mount that the zone sees supplies its own. It returns
// nil for what is no capability.
func plainCapability(value []byte) []byte {
	const revision, v2, v3 = 0xff000000, 0x02000000, 0x03000000
	if len(value) < 20 {
		return nil
	}
	magic := binary.LittleEndian.Uint32(value)
	switch {
	case magic&revision == v2 && len(value) == 20:
		return value
	case magic&revision == v3 && len(value) == 24:
		plain := slices.Clone(value[:20])
		binary.LittleEndian.PutUint32(plain, magic&^uint32(revision)|v2)
		return plain
	}
	return nil
}

// paxXattrs finds the attributes in a member's PAX records, in the spellings
// of GNU tar, star, Go and libarchive. What is unwanted is noted.
func paxXattrs(records map[string]string, owner names, note func(string)) []xattr {
	var found []xattr
	add := func(name string, value []byte) {
		if !wantXattr(name) {
			note(name)
			return
		}
		if !slices.ContainsFunc(found, func(x xattr) bool { return x.name == name }) {
			found = append(found, xattr{name, value})
		}
	}
	for key, value := range records {
		if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok {
			add(name, []byte(value))
		}
	}
	for key, value := range records {
		if name, ok := strings.CutPrefix(key, "LIBARCHIVE.xattr."); ok {
			plain, err := url.PathUnescape(name)
			raw, err2 := decodeBase64(value)
			if err == nil && err2 == nil {
				add(plain, raw)
			}
		}
	}
	for key, name := range map[string]string{"SCHILY.acl.access": aclAccess, "SCHILY.acl.default": aclDefault} {
		if text, ok := records[key]; ok && text != "" {
			if raw, err := parseACL(text, owner); err == nil {
				add(name, raw)
			} else {
				note(name)
			}
		}
	}
	// Map order must not decide anything that can be seen.
	slices.SortFunc(found, func(a, b xattr) int { return strings.Compare(a.name, b.name) })
	return found
}

func decodeBase64(s string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
}

// readXattrs reads the wanted attributes of an open file.
func readXattrs(fd int, note func(string)) ([]xattr, error) {
	list := make([]byte, 4096)
	n, err := unix.Flistxattr(fd, list)
	if err == unix.ERANGE {
		list = make([]byte, 65536) // the kernel's own limit
		n, err = unix.Flistxattr(fd, list)
	}
	if err == unix.ENOTSUP || n == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []xattr
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		if !wantXattr(name) {
			note(name)
			continue
		}
		value := make([]byte, 65536)
		n, err := unix.Fgetxattr(fd, name, value)
		if err == unix.ENODATA {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, xattr{name, value[:n]})
	}
	return found, nil
}

// futimes is futimens(3), which x/sys lacks: it needs no name and no /proc.
func futimes(fd int, m meta) error {
	ts := times(m)
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

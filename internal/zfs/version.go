// SPDX-License-Identifier: Apache-2.0

package zfs

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// versionFile is where the loaded module says its version.
const versionFile = "/sys/module/zfs/version"

// overrideFile is the parameter by which an administrator who knows what he
// does allows delegation on a version that is not safe.
const overrideFile = "/sys/module/delegns_zfs/parameters/allow_unsafe"

// UnsafeError is a version of OpenZFS that datasets are not delegated on.
type UnsafeError struct{ Version string }

func (e *UnsafeError) Error() string {
	return fmt.Sprintf("OpenZFS %s is not safe to delegate with, as root in any user namespace passes its checks: "+
		"install 2.3.9 or 2.4.4, or newer, or set the parameter allow_unsafe of delegns_zfs", e.Version)
}

// Delegable returns nil when datasets may be delegated on this machine, and an
// *UnsafeError on a version that lets root of any user namespace pass.
func Delegable() error {
	data, err := os.ReadFile(versionFile)
	if err != nil {
		return ErrNoDevice
	}
	version := strings.TrimSpace(string(data))
	if safe(version) {
		return nil
	}
	if flag, err := os.ReadFile(overrideFile); err == nil && strings.HasPrefix(string(flag), "Y") {
		return nil
	}
	return &UnsafeError{version}
}

// safe knows the releases that have the mend: 2.3.9 and 2.4.4 and what follows
// them.
func safe(version string) bool {
	release, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), "-")
	var n [3]int
	for i, part := range strings.SplitN(release, ".", 3) {
		if digits := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' }); digits >= 0 {
			part = part[:digits]
		}
		n[i], _ = strconv.Atoi(part)
	}
	switch {
	case n[0] != 2:
		return n[0] > 2
	case n[1] == 3:
		return n[2] >= 9
	case n[1] == 4:
		return n[2] >= 4
	}
	return n[1] > 4
}

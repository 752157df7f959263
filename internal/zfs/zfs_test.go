// SPDX-License-Identifier: Apache-2.0

package zfs

import (
	"errors"
	"testing"
)

// What zfs 2.1 and 2.3 wrote in these cases.
func TestClassify(t *testing.T) {
	for text, want := range map[string]error{
		"cannot open 'tank/x': dataset does not exist\n":                                                   ErrNotFound,
		"could not find any snapshots to destroy; check snapshot names.\n":                                 ErrNotFound,
		"cannot create 'tank/x': dataset already exists\n":                                                 ErrExists,
		"cannot destroy 'tank/x': filesystem has children\nuse '-r' to destroy the following:\ntank/x/y\n": ErrDependents,
		"cannot destroy 'tank/x@a': snapshot has dependent clones\n":                                       ErrDependents,
		"cannot unmount '/tank/x': pool or dataset is busy\n":                                              ErrBusy,
		"cannot create 'tank/x': permission denied\n":                                                      ErrPermission,
		"cannot create 'tank/x': out of space\n":                                                           ErrSpace,
		"cannot set property for 'tank': pool I/O is currently suspended\n":                                ErrSuspended,
		"The ZFS modules are not loaded.\nTry running 'modprobe zfs' as root to load them.\n":              ErrNoDevice,
		"something nobody has seen":                                                                        ErrOther,
	} {
		err := classify("verb", "tank/x", text, nil)
		if !errors.Is(err, want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if said := Said(classify("set", "tank/x", "cannot set property for 'tank/x': permission denied\n", nil)); said != "permission denied" {
		t.Errorf("said %q", said)
	}
}

func TestSafe(t *testing.T) {
	for version, want := range map[string]bool{
		"2.1.11-1": false, "2.2.9-1": false, "2.3.8-1": false, "2.3.9-1": true, "2.3.10": true,
		"2.4.0-rc1": false, "2.4.3-1": false, "2.4.4-1~bpo13+1": true, "2.5.0": true, "3.0.0": true, "": false,
	} {
		if safe(version) != want {
			t.Errorf("%q counts as %v", version, !want)
		}
	}
}

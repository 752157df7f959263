// SPDX-License-Identifier: Apache-2.0

package delegns

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What callers choose by must hold for every errno that the header documents.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		op    string
		errno unix.Errno
		is    []error
	}{
		{"open", unix.ENOENT, []error{ErrNotExist}},
		{"info", unix.ESTALE, []error{ErrNotExist, ErrGone}},
		{"open", unix.EINVAL, []error{ErrInvalid}},
		{"open", unix.E2BIG, []error{ErrInvalid}},
		{"create", unix.EEXIST, []error{ErrExist}},
		{"create", unix.EPERM, []error{ErrPermission}},
		{"create", unix.EUSERS, []error{ErrLimit}},
		{"create", unix.EINVAL, []error{ErrInvalid}},
		{"create", unix.E2BIG, []error{ErrInvalid}},
		{"grant", unix.EACCES, []error{ErrNotCovered, ErrPermission}},
		{"attach", unix.EACCES, []error{ErrNotBelow, ErrPermission}},
		{"attach", unix.EPERM, []error{ErrPermission}},
		{"detach", unix.EACCES, []error{ErrNotBelow, ErrPermission}},
		{"detach", unix.EPERM, []error{ErrPermission}},
		{"attach", unix.EBUSY, []error{ErrBusy}},
		{"grant", unix.ENXIO, []error{ErrNoResource}},
		{"grant", unix.EILSEQ, []error{ErrBadResource}},
		{"grant", unix.EOPNOTSUPP, []error{ErrUnsafe}},
		{"grant", unix.EPROTONOSUPPORT, []error{ErrNoConsumer}},
		{"grant", unix.ENOSPC, []error{ErrLimit}},
		{"grant", unix.EINVAL, []error{ErrInvalid}},
		{"revoke", unix.EINVAL, []error{ErrInvalid}},
		{"revoke", unix.ENODATA, []error{ErrNotHeld}},
	} {
		err := failure(c.op, "x", c.errno)
		if strings.HasSuffix(err.Error(), c.errno.Error()) {
			t.Errorf("%s: %v is not said in words of its own", c.op, c.errno)
		}
		if !errors.Is(err, c.errno) {
			t.Errorf("%s: %v is not itself", c.op, c.errno)
		}
		for _, want := range c.is {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v is not %v", c.op, c.errno, want)
			}
		}
	}
	if errors.Is(failure("grant", "x", unix.ENXIO), ErrNotExist) {
		t.Error("a missing resource must not look like a missing namespace")
	}
}

func TestParseResource(t *testing.T) {
	for in, want := range map[string][2]string{
		"zfs:tank/a": {"zfs", "tank/a"}, "zfs:a:b": {"zfs", "a:b"},
		"": {}, "zfs": {}, ":x": {}, "zfs:": {},
	} {
		c, r, err := ParseResource(in)
		if [2]string{c, r} != want || (err == nil) != (want[0] != "") {
			t.Errorf("%q: %q %q %v", in, c, r, err)
		}
	}
}

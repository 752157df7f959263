// SPDX-License-Identifier: Apache-2.0

package zfs

import (
	"context"
	"io"
	"slices"
	"strings"
)

// Receive makes a file system that does not exist yet out of a stream. It is
// not mounted, and of the properties that the stream brings none that could
// act on this machine is taken over: where it is mounted, what it shares,
// whether programs and devices in it count, and where keys come from.
func Receive(ctx context.Context, r io.Reader, name string, props ...string) error {
	args := []string{"receive", "-u"}
	for _, p := range []string{"mountpoint", "canmount", "sharenfs", "sharesmb", "zoned", "overlay",
		"setuid", "devices", "exec", "readonly", "quota", "refquota", "reservation", "refreservation"} {
		// A property is either set or left out; zfs(8) takes no word for both.
		if !slices.ContainsFunc(props, func(set string) bool { return strings.HasPrefix(set, p+"=") }) {
			args = append(args, "-x", p)
		}
	}
	args = append(options(args, props), name)
	_, err := pipe(ctx, r, name, args...)
	return err
}

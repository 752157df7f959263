// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"slices"
	"testing"

	"zones/internal/mount"
)

func TestOtherPlaces(t *testing.T) {
	mounts := []mount.Mounted{
		{Root: "/", Path: "/", Device: "8:1"}, {Root: "/", Path: "/zones/web", Device: "0:45"},
		{Root: "/root", Path: "/srv", Device: "0:45"}, {Root: "/root/etc", Path: "/etc/web", Device: "0:45"},
		{Root: "/", Path: "/mnt", Device: "0:45"}, {Root: "/", Path: "/other", Device: "0:46"},
		{Root: "/", Path: "/chroot", Device: "8:1"}, {Root: "/", Path: "/big", Device: "8:2"},
		{Root: "/zones", Path: "/bound", Device: "8:2"},
	}
	for dir, want := range map[string][]string{
		"/zones/web/root":   {"/srv", "/mnt/root"},
		"/var/zones/root":   {"/chroot/var/zones/root"},
		"/bound/web/root":   nil,
		"/big/zones/w/root": {"/bound/w/root"},
		"/other/root":       nil,
	} {
		if got := otherPlaces(dir, mounts); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", dir, got, want)
		}
	}
}

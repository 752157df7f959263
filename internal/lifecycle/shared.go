// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"fmt"
	"slices"
	"strings"

	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/spec"
)

// warnShared says what both a clone and its source are configured to use.
func (m *Manager) warnShared(z, from *subjectZone) {
	each := func(t *schema.Resource, same func(a, b *config.Resource) string) {
		for _, a := range z.cfg.All(t) {
			for _, b := range from.cfg.All(t) {
				if text := same(a, b); text != "" {
					m.Talk.Bare("WARNING: " + text + " is configured in both zones.")
				}
			}
		}
	}
	each(schema.NetResource, func(a, b *config.Resource) string {
		x, _, _ := strings.Cut(a.Text(schema.NetAddress.Property), "/")
		y, _, _ := strings.Cut(b.Text(schema.NetAddress.Property), "/")
		if x == "" || x != y {
			return ""
		}
		return fmt.Sprintf("network address '%s'", x)
	})
	each(schema.DeviceResource, func(a, b *config.Resource) string {
		x, y := a.Text(schema.DeviceMatch.Property), b.Text(schema.DeviceMatch.Property)
		if !spec.Matches(x, y) && !spec.Matches(y, x) {
			return ""
		}
		return fmt.Sprintf("device '%s'", x)
	})
	each(schema.FSResource, sharedMount)
	for _, a := range z.cfg.All(schema.DatasetResource) {
		for _, b := range from.cfg.All(schema.DatasetResource) {
			if x := a.Text(schema.DatasetName.Property); x == b.Text(schema.DatasetName.Property) {
				m.Talk.About(fmt.Sprintf("WARNING: dataset '%s' is configured in both zones.", x))
			}
		}
	}
}

// sharedMount names a file system that two zones mount, unless both only read
// it through a bind mount.
func sharedMount(a, b *config.Resource) string {
	special, kind := a.Text(schema.FSSpecial.Property), a.Text(schema.FSType.Property)
	if special != b.Text(schema.FSSpecial.Property) || kind != b.Text(schema.FSType.Property) {
		return ""
	}
	if kind != "lofs" {
		return fmt.Sprintf("%s file system on '%s'", kind, special)
	}
	writes := func(r *config.Resource) bool {
		options, _ := schema.FSOptions.Of(r)
		return len(options) == 0 || slices.Contains(options, "rw")
	}
	if !writes(a) && !writes(b) {
		return ""
	}
	return fmt.Sprintf("read-write lofs file system on '%s'", special)
}

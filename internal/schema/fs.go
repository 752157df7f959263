// SPDX-License-Identifier: Apache-2.0

package schema

import "strings"

// File systems that the zone finds mounted.
var (
	FSDir = required("dir", absPath, "Where in the zone the file system is mounted.",
		attr("directory"), at(AtEnd), matches, saysPath)
	FSSpecial = required("special", text, "What is mounted: a folder of the host, a device or a dataset.",
		limit(1023), from(Paths), matches)
	FSRaw = optional("raw", absPath, "The raw device that is checked before the mount.",
		at(AtEnd), canClear, selects, saysPath)
	FSType    = required("type", fsType, "The type of the file system.", matches, saysOf("\"%s\" is not a valid type."))
	FSOptions = list("options", fsOption, "fsoption", "name", "Mount options, in order.")
)

// FSResource is a file system.
var FSResource = resource(Resource{
	Name: "fs", Element: "filesystem",
	Help: "A file system that is mounted in the zone when it boots.",
}, FSDir, FSDir, FSSpecial, FSRaw, FSType, FSOptions)

var fsType = Kind[string]{
	Meta: "TYPE", Allowed: "a file system type", Max: 15,
	parse: func(s string) (string, error) {
		if s == "" || s == "." || s == ".." || strings.Contains(s, "/") || len(s) >= 256 {
			return "", ErrInvalid
		}
		return s, nil
	},
	sample: pick("lofs", "zfs", "ext4", "tmpfs", "nfs4"),
}

var fsOption = Kind[string]{
	Meta: "OPTION", Allowed: "any text", Max: 1023,
	parse:  func(s string) (string, error) { return s, nil },
	sample: pick("ro", "rw", "nodevices", "uid=5", "nosuid", "size=10%,mode=755", "a b"),
}

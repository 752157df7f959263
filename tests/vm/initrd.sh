# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The initial file system: PID 1 and the way to the root. Sourced by run, after
# lib.sh.

# What the initial file system must insert to reach the root file system and
# the shared directory, where it is not built in.
early_modules=(virtio_pci virtio_blk virtio_console virtio_rng crc32c_generic ext4 9pnet_virtio 9p)

# initrd_layer TREE KERNEL TOOLS: the layer with the file initrd.
initrd_layer() {
	tree=$1 kernel=$2 tools=$3
	layer initrd "$(printf '%s\n' "$@" "$(hash_of tests/vm/initrd.sh)" | sha256sum | cut -c1-16)" make_initrd
}

# make_initrd DIR: pack early_modules and what they need, numbered in the order
# in which they are to be inserted, and PID 1.
make_initrd() {
	local modules=$tree/lib/modules/$kernel file n=100
	mkdir -p "$1/files/modules"
	for file in $(module_order "$modules/modules.dep"); do
		n=$((n + 1))
		unpacked "$modules/$file" >"$1/files/modules/$n-$(basename "${file%%.ko*}").ko"
	done
	cp "$tools/init" "$1/files/init"
	(cd "$1/files" && find . | LC_ALL=C sort | cpio -o --quiet -H newc -R 0:0) >"$1/initrd"
	rm -r "$1/files"
}

# module_order MODULES.DEP: the files of early_modules, each after what it
# needs; modules that are built in have none.
module_order() {
	awk -v want="${early_modules[*]}" '
		{ f = $1; sub(/:$/, "", f); m = f; sub(/.*\//, "", m); sub(/\.ko.*/, "", m)
		  file[m] = f; need[f] = ""; for (i = NF; i > 1; i--) need[f] = need[f] " " $i }
		function put(f, a, n, i) { if (f in done) return; done[f]
			n = split(need[f], a); for (i = 1; i <= n; i++) put(a[i]); print f }
		END { n = split(want, w); for (i = 1; i <= n; i++) if (w[i] in file) put(file[w[i]]) }' "$1"
}

# unpacked FILE: a module as the kernel takes it.
unpacked() {
	case $1 in
	*.xz) xz -dc "$1" ;;
	*.zst) zstd -dcq "$1" ;;
	*.gz) gzip -dc "$1" ;;
	*) cat "$1" ;;
	esac
}

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The payload: what is under test, as files to lay over a guest's root, and the
# tools that boot it. Sourced by run, after lib.sh, with $release set.
: "${release:?}" "${cache:?}"

# tools_layer: the host's half and PID 1.
tools_layer() { layer tools "$(hash_sources tests/vm/host tests/vm/init tests/vm/wire go.mod go.sum)" make_tools; }

make_tools() {
	(cd "$top" && CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "$1/" ./tests/vm/host ./tests/vm/init)
}

# commands_layer: what `make install` puts on a machine.
commands_layer() { layer commands "$(hash_sources cmd internal kmod man Makefile go.mod go.sum)" make_commands; }

make_commands() {
	mkdir "$1/files"
	make -s -C "$top" install DESTDIR="$1/files"
}

# modules_layer TREE SYMVERS KERNEL: the modules, built for that kernel with
# that root's compiler, and the index that modprobe reads.
modules_layer() {
	tree=$1 symvers=$2 kernel=$3
	layer "modules-$release" "$(printf '%s\n' "$tree" "$(hash_sources kmod)" | sha256sum | cut -c1-16)" make_modules
}

make_modules() {
	local dir=$1/files/usr/lib/modules/$kernel src=$1/kmod
	mkdir -p "$dir/updates/delegns" "$src"
	(cd "$top" && sources_of kmod | cpio -pdm --quiet "$1")
	cp "$symvers" "$src/zfs.symvers"
	in_root "$tree" "$src" make -C "/lib/modules/$kernel/build" M=/mnt W=1 \
		KBUILD_EXTRA_SYMBOLS=/mnt/zfs.symvers modules
	find "$src" -name '*.ko' -exec cp -t "$dir/updates/delegns" {} +
	# depmod needs the whole tree, which stays where it is.
	ln -s "$tree/lib/modules/$kernel"/{kernel,modules.{builtin,builtin.modinfo,order}} "$dir/"
	ln -s "$tree/lib/modules/$kernel/updates/dkms" "$dir/updates/dkms"
	depmod -b "$1/files/usr" -m /lib/modules "$kernel" 2>/dev/null || depmod -b "$1/files/usr" "$kernel"
	rm "$dir"/{kernel,updates/dkms,modules.builtin,modules.builtin.modinfo,modules.order}
}

# in_root TREE DIR COMMAND...: run a command of the root TREE in /mnt, which is
# DIR; the root itself cannot be written to.
in_root() {
	local tree=$1 dir; dir=$(realpath "$2")
	shift 2
	# shellcheck disable=SC2016 # for the inner shell
	unshare -m sh -ec '
		tree=$1 dir=$2; shift 2
		mount --bind "$tree" "$tree"
		mount -o remount,bind,ro "$tree"
		mount --bind "$dir" "$tree/mnt"
		mount -t tmpfs tmpfs "$tree/tmp"
		mount -t proc proc "$tree/proc"
		mount --bind /dev "$tree/dev"
		exec chroot "$tree" sh -ec "cd /mnt; exec \"\$@\"" sh "$@"' sh "$tree" "$dir" "$@"
}

# payload_layer LAYER...: one archive of the files/ of all layers.
payload_layer() {
	parts=("$@")
	layer payload "$(printf '%s\n' "$@" | sha256sum | cut -c1-16)" make_payload
}

make_payload() {
	local part names=()
	for part in "${parts[@]}"; do names+=(-C "$part/files" .); done
	# The guest's root has usr-merge: a link must not become a directory there.
	tar --owner=0 --group=0 --numeric-owner -cf "$1/payload.tar" \
		--transform='s,^\./\(s\?bin\|lib\)\(/\|$\),./usr/\1\2,' "${names[@]}"
}

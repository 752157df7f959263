# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The root file system of a guest: the recipe whose hash names the layer.
# Sourced by build, after lib.sh, with $release and $cache set.
: "${release:?}" "${cache:?}"

# Everything a guest has besides the kernel and ZFS: what zones are compared
# with, what they are tested with, and what their tests need.
root_packages=(
	kmod udev iproute2 iputils-ping netbase netcat-openbsd procps psmisc util-linux util-linux-extra
	login passwd sudo uidmap less file diffutils ncurses-base attr acl libcap2-bin xz-utils zstd
	busybox-static python3 jq gcc libc6-dev make gdb-minimal strace bpftrace debootstrap
	runc crun lxc bubblewrap systemd-container
)
zfs_packages=(zfs-dkms zfsutils-linux zfs-test)
kernel_packages=(linux-image-amd64 linux-headers-amd64)

# make_root DIR: bootstrap $release and derive from it what QEMU is given.
make_root() {
	bootstrap_root "$1/root"
	finish_root "$1"
}

bootstrap_root() {
	local options=() all
	mapfile -t options < <(apt_options)
	all="${kernel_packages[*]} ${zfs_packages[*]} ${root_packages[*]}"
	# A kernel under a newer user land: no OpenZFS that delegates safely was ever
	# packaged for that release.
	# shellcheck disable=SC2016 # the hook's own $1
	[ "$release" != bookworm ] || options+=(--setup-hook='printf "%s\n" \
		"Package: linux-image-* linux-headers-* linux-kbuild-* linux-compiler-*" "Pin: release n=bookworm" "Pin-Priority: 1001" "" \
		"Package: *" "Pin: release n=bookworm" "Pin-Priority: 100" >"$1"/etc/apt/preferences.d/kernel')
	note "making the root of $release; this takes some minutes"
	# INITRD=No: the guest has an initial file system of its own.
	case $release in
	bookworm) sources trixie bookworm ;;
	*) sources "$release" ;;
	esac | INITRD=No mmdebstrap --variant=minbase "${options[@]}" --include="${all// /,}" "${release/bookworm/trixie}" "$1" -
}

finish_root() {
	local dir=$1 root=$1/root kernel
	kernel=$(newest_kernel "$root")
	rm -rf "$root"/boot/initrd* "$root"/initrd.img* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
	# A guest under emulation unpacks slowly.
	find "$root/lib/modules/$kernel/updates" -name '*.xz' -exec xz -d {} +
	chroot "$root" depmod "$kernel"
	mkdir -p "$root/images" "$root/mnt/dir" "$root/tank"
	echo "$kernel" >"$dir/kernel-release"
	cp "$root/boot/vmlinuz-$kernel" "$dir/vmlinuz"
	cp "$root"/var/lib/dkms/zfs/*/"$kernel"/*/Module.symvers "$dir/zfs.symvers"
	# The file that a guest writes to is a snapshot of this one.
	mke2fs -q -F -t ext4 -O '^has_journal' -m 0 -d "$root" "$dir/root.ext4" 6G >/dev/null
}

# newest_kernel ROOT: the newest kernel for which the root has ZFS.
newest_kernel() {
	local found
	found=$(cd "$1/lib/modules" && find . -name 'zfs.ko*' -path '*/updates/*' | cut -d/ -f2 | sort -V | tail -n1)
	[ -n "$found" ] || die "OpenZFS was built for no kernel of $release; its log is $1/var/lib/dkms/zfs/*/build/make.log"
	echo "$found"
}

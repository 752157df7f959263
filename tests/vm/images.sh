# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The zone images: the recipe whose hash names the layer. Sourced by build,
# after lib.sh.

# make_images DIR: both archives, and the disk that a guest mounts on /images.
make_images() {
	local dir=$1 donor
	donor=$(release=trixie root_layer)/root
	mkdir -p "$dir/images"
	make_mini "$donor" "$dir/mini"
	pack "$dir/mini" "$dir/images/mini.tar.zst"
	make_debian "$dir/debian"
	pack "$dir/debian" "$dir/images/debian.tar.zst"
	mke2fs -q -F -t ext4 -O '^has_journal' -m 0 -d "$dir/images" "$dir/images.ext4" 256M >/dev/null
	discard "$dir/mini" "$dir/debian"
}

pack() {
	tar -C "$1" --numeric-owner --xattrs --acls --sort=name --exclude='./dev/*' --exclude='./proc/*' \
		--exclude='./sys/*' -cf - . | zstd -q -T0 -9 -o "$2"
}

# make_mini DONOR DIR: busybox as init and everything else, and the commands of
# ZFS with their libraries out of the donor root.
make_mini() {
	local donor=$1 root=$2 applet file
	mkdir -p "$root"/{dev,proc,sys,run,tmp,root,home,mnt,etc,var/log,var/tmp,usr/bin,usr/sbin,usr/lib,usr/lib64}
	chmod 1777 "$root/tmp" "$root/var/tmp"
	chmod 700 "$root/root"
	ln -s usr/bin "$root/bin"
	ln -s usr/sbin "$root/sbin"
	ln -s usr/lib "$root/lib"
	ln -s usr/lib64 "$root/lib64"
	cp "$donor/usr/bin/busybox" "$root/usr/bin/busybox"
	for applet in $("$root/usr/bin/busybox" --list-full); do
		[ "$applet" = usr/bin/busybox ] || [ "$applet" = bin/busybox ] ||
			ln -sf /usr/bin/busybox "$root/usr/$(case $applet in sbin/* | usr/sbin/*) echo sbin ;; *) echo bin ;; esac)/${applet##*/}"
	done
	for file in /usr/sbin/zfs /usr/sbin/zpool; do
		cp "$donor$file" "$root$file"
		chroot "$donor" ldd "$file" | grep -o '/[^ ]*' | while read -r file; do
			mkdir -p "$root$(dirname "$file")"
			cp -n "$donor$file" "$root$file"
		done
	done
	mini_etc "$root/etc"
}

mini_etc() {
	printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'user:x:1000:1000:user:/home:/bin/sh' \
		'nobody:x:65534:65534:nobody:/:/bin/false' >"$1/passwd"
	printf '%s\n' 'root:x:0:' 'tty:x:5:' 'user:x:1000:' 'nogroup:x:65534:' >"$1/group"
	printf '%s\n' 'root:*:20000:0:99999:7:::' 'user:*:20000:0:99999:7:::' >"$1/shadow"
	chmod 640 "$1/shadow"
	printf '%s\n' '127.0.0.1 localhost' '::1 localhost' >"$1/hosts"
	printf '%s\n' 'ID=mini' 'NAME="Mini"' 'PRETTY_NAME="Mini zone (busybox)"' >"$1/os-release"
	printf '%s\n' 'export PATH=/usr/sbin:/usr/bin:/sbin:/bin' >"$1/profile"
	printf '%s\n' '::sysinit:/etc/rc' '::shutdown:/etc/rc.stop' '::ctrlaltdel:/sbin/reboot' \
		'console::askfirst:-/bin/sh' >"$1/inittab"
	cat >"$1/rc" <<'RC'
#!/bin/sh
# The mounts that whoever started this zone has not made.
mountpoint -q /proc || mount -t proc proc /proc
mountpoint -q /sys || mount -t sysfs sysfs /sys
mountpoint -q /run || mount -t tmpfs tmpfs /run
mkdir -p /run/lock
[ ! -w /dev/zfs ] || zfs mount -a
: >/run/booted
RC
	cat >"$1/rc.stop" <<'RC'
#!/bin/sh
[ ! -w /dev/zfs ] || zfs unmount -a
RC
	chmod 755 "$1/rc" "$1/rc.stop"
}

# make_debian DIR: a Debian as one would install it into a zone.
make_debian() {
	local options
	mapfile -t options < <(apt_options)
	sources trixie | mmdebstrap --variant=minbase "${options[@]}" \
		--include=systemd-sysv,dbus,zfsutils-linux,kmod,iproute2,procps,login,passwd,netbase \
		trixie "$1" -
	rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/*
	# Each zone is given an identity of its own at its first boot.
	: >"$1/etc/machine-id"
	rm -f "$1/etc/hostname" "$1/etc/resolv.conf" "$1/var/lib/dbus/machine-id"
}

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# sid's root: the newest kernel for which sid's OpenZFS builds. That is sid's
# own or, as long as OpenZFS has not caught up with it, the one of testing or of
# stable's backports. Sourced by build, after root.sh.

# make_sid DIR: like make_root, with the first kernel that works. A failure to
# build OpenZFS is one to install it, and mmdebstrap then takes DIR/root away.
make_sid() {
	local suite
	for suite in sid testing stable-backports; do
		if bootstrap_sid "$suite" "$1/root"; then
			finish_root "$1"
			return
		fi
		note "sid's OpenZFS could not be installed with the kernel of $suite"
		discard "$1/root"
	done
	die "there is no kernel with which sid's OpenZFS can be installed"
}

# bootstrap_sid SUITE DIR: sid with the kernel of SUITE.
bootstrap_sid() {
	local options=() all suites=(sid)
	mapfile -t options < <(apt_options)
	all="${kernel_packages[*]} ${zfs_packages[*]} ${root_packages[*]}"
	if [ "$1" != sid ]; then
		suites+=("$1")
		options+=(--setup-hook="printf '%s\\n' \
			'Package: linux-image-* linux-headers-* linux-kbuild-* linux-base-*' 'Pin: release a=$1' 'Pin-Priority: 1001' '' \
			'Package: *' 'Pin: release a=$1' 'Pin-Priority: 100' >\"\$1\"/etc/apt/preferences.d/kernel")
	fi
	note "making the root of sid with the kernel of $1; this takes some minutes"
	sources "${suites[@]}" |
		INITRD=No mmdebstrap --variant=minbase "${options[@]}" --include="${all// /,}" sid "$2" -
}

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The programs that manage zones elsewhere, as Debian packages them: the recipe
# whose hash names the layer. Sourced by run, after the test machine's lib.sh.

# Ansible with the collection that has solaris_zone, and Puppet with the module
# zone_core that it brings; ssh-keygen makes the keys of a zone for the former.
client_packages=(ansible ansible-core openssh-client puppet-agent)

# make_clients DIR: programs.ext4, what these packages and all that they need
# have in /usr. Nothing is configured: no script of a package runs.
make_clients() {
	local options root=$1/root python
	mapfile -t options < <(apt_options)
	note "fetching ${client_packages[*]}"
	local all=${client_packages[*]}
	sources trixie | mmdebstrap --variant=extract "${options[@]}" --include="${all// /,}" trixie "$root" -
	python=$root/usr/lib/python3/dist-packages
	find "$python/ansible_collections" -mindepth 1 -maxdepth 1 ! -name community ! -name '*.py' -exec rm -rf {} +
	find "$python/ansible_collections/community" -mindepth 1 -maxdepth 1 ! -name general -exec rm -rf {} +
	rm -rf "$root"/usr/share/{doc,man,locale,info} "$root"/usr/lib/python3/dist-packages/ansible_test
	# Under emulation it takes long to compile what is only read.
	ln -s usr/bin "$root/bin"
	ln -s usr/lib "$root/lib"
	ln -s usr/lib64 "$root/lib64"
	chroot "$root" python3 -m compileall -q /usr/lib/python3/dist-packages >/dev/null || true
	mke2fs -q -F -t ext4 -O '^has_journal' -m 0 -d "$root/usr" "$1/programs.ext4" 512M >/dev/null
	rm -rf "$root"
}

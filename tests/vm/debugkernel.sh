# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Kernels that check themselves: Debian's source of trixie's kernel with
# debug.config, and for "races" races.config over it, and OpenZFS built for it.
# The guest's root is trixie's own. Sourced by build, after lib.sh, with $release
# set.
: "${release:?}" "${here:?}"

debug_packages=(
	linux-source zfs-dkms gcc make bc bison flex libelf-dev libssl-dev kmod xz-utils cpio python3 diffutils
)

# fragments: what the kernel's configuration is made of; of two words for one
# option the last counts.
fragments() {
	echo tests/vm/debug.config
	[ "$release" != races ] || echo tests/vm/races.config
}

configuration() {
	# shellcheck disable=SC2016 # for awk
	(cd "$here/../.." && fragments | xargs awk '
		!/CONFIG_/ { next }
		{ option = $1 == "#" ? $2 : substr($1, 1, index($1, "=") - 1) }
		!(option in said) { order[++n] = option }
		{ said[option] = $0 }
		END { for (i = 1; i <= n; i++) print said[order[i]] }')
}

# make_debug DIR: root/ is where the kernel was built, and where the module is
# to be; files/ is what a guest's root lacks.
make_debug() {
	local options root=$1/root
	mapfile -t options < <(apt_options)
	note "making the kernel that checks itself ($release); this takes some fifteen minutes"
	# The package of OpenZFS is wanted for its source: DKMS would look for the
	# headers of a kernel that is only made below.
	# shellcheck disable=SC2016 # the hook's own $1
	sources trixie | mmdebstrap --variant=minbase "${options[@]}" \
		--essential-hook='mkdir -p "$1/etc/dkms" && touch "$1/etc/dkms/no-autoinstall"' \
		--include="$(IFS=,; echo "${debug_packages[*]}")" trixie "$root" -
	configuration >"$root/usr/src/debug.config"
	# Of races only those are of interest that the module is part of.
	local unwatched=UNWATCHED=
	[ "$release" != races ] || unwatched=KCSAN_SANITIZE=n
	chroot "$root" sh -ec "$(build_debug)" sh "$(nproc)" "$unwatched"
	local kernel
	kernel=$(cat "$root/usr/src/linux/include/config/kernel.release")
	echo "$kernel" >"$1/kernel-release"
	cp "$root/usr/src/linux/arch/x86/boot/bzImage" "$1/vmlinuz"
	cp "$root/usr/src/zfs/Module.symvers" "$1/zfs.symvers"
	mkdir -p "$1/files/usr/lib/modules"
	cp -a "$root/usr/lib/modules/$kernel" "$1/files/usr/lib/modules/"
	rm -f "$1/files/usr/lib/modules/$kernel/build"
}

# build_debug: what is done in the build's root, as a script for its shell.
#
# OpenZFS's licence keeps its modules from lockdep's functions, and marks the
# kernel so that lockdep goes off when they are loaded. This kernel is for
# finding mistakes here and is given to nobody, so its OpenZFS calls itself GPL.
# What it has on the stack for adding the disk of a volume is not marked as such,
# of which debug objects complain. Its locks are not for lockdep, which takes those
# of a folder and of the one above for the same, and those that one thread takes and
# another lets go of for mistakes; but those of its part that the module calls are.
# Of that part alone memory is watched as well: the whole of it would take as long as
# the kernel to build, and most of the time of a test.
build_debug() {
	cat <<'END'
cd /usr/src
mkdir linux zfs
tar -C linux --strip-components=1 -xf linux-source-*.tar.*
cp -a zfs-*/. zfs/
cd linux
make -s tinyconfig
scripts/kconfig/merge_config.sh -m .config ../debug.config >/dev/null
make -s olddefconfig
missing=
for want in $(grep '^CONFIG' ../debug.config); do
	grep -qx "$want" .config || missing="$missing $want"
done
[ -z "$missing" ] || { echo "the kernel does not take:$missing" >&2; exit 1; }
make -s -j"$1" "$2" bzImage modules
kernel=$(cat include/config/kernel.release)
make -s modules_install
cd ../zfs
sed -i 's/^License: .*/License: GPL/' META
sed -i -e 's/INIT_DELAYED_WORK(&add_disk_work/INIT_DELAYED_WORK_ONSTACK(\&add_disk_work/' \
	-e 's/flush_delayed_work(&add_disk_work.work);/& destroy_delayed_work_on_stack(\&add_disk_work.work);/' \
	module/os/linux/zfs/zvol_os.c
grep -rlE 'MUTEX_DEFAULT|RW_DEFAULT' module/zfs module/os/linux/zfs |
	xargs sed -i -e 's/MUTEX_DEFAULT/MUTEX_NOLOCKDEP/g' -e 's/RW_DEFAULT/RW_NOLOCKDEP/g'
grep -q 'dd_lock, NULL, MUTEX_NOLOCKDEP' module/zfs/dsl_dir.c
grep -q 'zv_suspend_lock, NULL, RW_NOLOCKDEP' module/os/linux/zfs/zvol_os.c
grep -q 'destroy_delayed_work_on_stack(&add_disk_work.work)' module/os/linux/zfs/zvol_os.c
printf '%s\n' 'KASAN_SANITIZE := n' 'UBSAN_SANITIZE := n' \
	'KASAN_SANITIZE_os/linux/spl/spl-zone.o := y' 'UBSAN_SANITIZE_os/linux/spl/spl-zone.o := y' >>module/Kbuild.in
./configure --with-config=kernel --with-linux=/usr/src/linux --with-linux-obj=/usr/src/linux --enable-debug
make -s -j"$1" "$2" -C module
mkdir -p "/usr/lib/modules/$kernel/updates/dkms"
cp module/zfs.ko module/spl.ko "/usr/lib/modules/$kernel/updates/dkms/"
cp module/Module.symvers .
depmod "$kernel"
# What is built against the kernel needs none of its objects.
cd ../linux
find . -name '*.o' ! -path './scripts/*' ! -path './tools/*' -delete
rm -f vmlinux.a vmlinux.o .tmp_vmlinux* ../linux-source-*.tar.*
END
}

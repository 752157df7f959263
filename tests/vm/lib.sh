# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the scripts of the test machine share: messages, the cache, and the
# machine's own package sources. Sourced, never run.

set -euo pipefail
shopt -s inherit_errexit
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/zones-vm
export cache

me=tests/vm/$(basename "$0")
note() { printf '%s: %s\n' "$me" "$*" >&2; }
die() { note "$*"; exit 1; }

# mirrors: the package archives that this machine's apt has its own release
# from, one URI a line. apt itself reads its source files, in either form.
mirrors() {
	local codename
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-sid}")
	# shellcheck disable=SC2016 # apt's own placeholders
	apt-get indextargets --no-release-info --format '$(CREATED_BY) $(COMPONENT) $(RELEASE) $(REPO_URI)' |
		awk -v names="$codename stable oldstable testing unstable sid" '
			BEGIN { n = split(names, a); for (i = 1; i <= n; i++) suite[a[i]] = 1 }
			$1 == "Packages" && $2 == "main" && ($3 in suite) && !seen[$4]++ { print $4 }'
}

# mirror: the first of them.
mirror() {
	local all
	all=$(mirrors)
	[ -n "$all" ] || die "apt on this machine has no source for its own release; see sources.list(5)"
	head -n1 <<<"$all"
}

# keyring: the archive keys of this machine.
keyring() {
	local f
	for f in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-keyring.pgp; do
		[ -r "$f" ] && { echo "$f"; return; }
	done
	die "no archive keys; install the package debian-archive-keyring"
}

# sources RELEASE...: one-line package sources for these releases.
sources() {
	local uri key name
	uri=$(mirror)
	key=$(keyring)
	for name; do printf 'deb [signed-by=%s] %s %s main contrib\n' "$key" "$uri" "$name"; done
}

# apt_options: mmdebstrap's arguments for an apt that reaches its archives as
# this machine's does (proxies, checks) and installs no more than is asked for.
apt_options() {
	echo '--aptopt=APT::Install-Recommends "false"'
	apt-config dump --format='--aptopt=%F "%v"%n' Acquire |
		grep -E '::(Proxy|Proxy-Auto-Detect|Check-Valid-Until|Check-Date|Verify-Peer|Verify-Host|CaInfo|Retries)[: ]' || true
}

# hash_of FILE...: a short hash of names and contents.
hash_of() { (cd "$top" && sha256sum -- "$@" | sha256sum | cut -c1-16); }

# sources_of DIR...: the files below the directories that git knows or would
# take, so that what a build leaves behind changes no hash.
sources_of() {
	(cd "$top" && git ls-files -co --exclude-standard -- "$@" 2>/dev/null || find "$@" -type f) |
		while read -r f; do [ ! -f "$top/$f" ] || echo "$f"; done | LC_ALL=C sort
}

hash_sources() {
	local files
	mapfile -t files < <(sources_of "$@")
	hash_of "${files[@]}"
}

# A layer is a directory of the cache, made in one piece: it is filled under
# another name, and its stamp is written last.

# locked NAME COMMAND...: run the command while nobody else runs one for NAME.
locked() {
	local name=$1 fd
	shift
	mkdir -p "$cache"
	exec {fd}>"$cache/.$name.lock"
	if ! flock -n "$fd"; then
		note "waiting for another build of $name"
		flock "$fd"
	fi
	"$@" {fd}>&-
	exec {fd}>&-
}

# seal DIR: write the stamp of a finished layer, last and in one piece. Nothing
# waits for the disk: what a crash of the machine cuts short has another size
# than the stamp says.
seal() {
	shape "$1" >"$1/.stamp"
	mv "$1/.stamp" "$1/stamp"
}

# sound DIR: whether the layer is what its stamp says.
sound() { [ -s "$1/stamp" ] && [ "$(cat "$1/stamp")" = "$(shape "$1")" ]; }

# shape DIR: a sum over the name, kind, size and change time of everything in a
# layer. No program can set a change time back, so whatever was cut short,
# overwritten, taken away or added since shows.
shape() {
	find "$1" -mindepth 1 ! -path "$1/stamp" ! -path "$1/.stamp" -printf '%P %y %s %C@ %l\n' |
		LC_ALL=C sort | sha256sum | cut -d' ' -f1
}

# layer NAME HASH MAKER: print the layer's directory; when it is not there or
# not sound, have it made by calling MAKER with an empty directory.
layer() { locked "$1-$2" make_layer "$@"; }

make_layer() {
	local dir=$cache/$1-$2 work=$cache/$1-$2.new
	if sound "$dir"; then
		touch "$dir/stamp"
		echo "$dir"
		return
	fi
	[ ! -e "$dir" ] || note "$dir is damaged or incomplete; it is made again"
	discard "$dir" "$work"
	mkdir -p "$work"
	# Below a condition the shell goes on after a failure, and what is half made
	# would be believed.
	# shellcheck disable=SC2155 # the status is to be lost
	local probe=$(false; echo unseen)
	[ -z "$probe" ] || die "layer $1 is made where failures go unseen"
	"$3" "$work" >&2
	seal "$work"
	mv -T "$work" "$dir"
	forget "$1"
	echo "$dir"
}

# discard DIR...: remove trees of the cache, and what an interrupted build may
# have left mounted in them.
discard() {
	local dir
	for dir; do
		[ -e "$dir" ] || continue
		awk -v d="$(realpath "$dir")/" 'index($2, d) == 1 { print $2 }' /proc/self/mounts | sort -r |
			while read -r m; do umount "$m"; done
		rm -rf --one-file-system "$dir"
	done
}

# forget NAME: remove layers of NAME that nobody has used for two weeks.
forget() {
	local stamp
	find "$cache" -mindepth 2 -maxdepth 2 -path "$cache/$1-*/stamp" -mtime +14 2>/dev/null |
		while read -r stamp; do discard "$(dirname "$stamp")"; done
}

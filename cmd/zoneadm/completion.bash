# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# bash completion of zoneadm, zonecfg and zlogin: zones as zoneadm lists them,
# subcommands as its help does, so that nothing here has to be kept in step.

_zones_names() { zoneadm list -cnp 2>/dev/null | cut -d: -f2; }

# A subcommand stands in the first column of the help, below its heading.
_zones_verbs() { zoneadm help 2>/dev/null | sed -n '/^Subcommands:/,$s/^\([a-z]\{1,\}\).*/\1/p'; }

_zones_reply() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "${COMP_WORDS[COMP_CWORD]}"); }

_zones_files() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen "$1" -- "${COMP_WORDS[COMP_CWORD]}")
}

_zoneadm() {
	local i verb=
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-z | -u | -R) ((i++)) ;;
		-*) ;;
		*) verb=${COMP_WORDS[i]}; break ;;
		esac
	done
	case $verb,${COMP_WORDS[COMP_CWORD - 1]} in
	,-z) _zones_reply "$(_zones_names)" ;;
	,-R) _zones_files -d ;;
	,-u) ;;
	,*) _zones_reply "$(_zones_verbs) $([ "$COMP_CWORD" != 1 ] || echo -z -u -R)" ;;
	help,*) _zones_reply "$(_zones_verbs)" ;;
	clone,-s | install,-r) ;;
	clone,-m) _zones_reply copy ;;
	clone,*) _zones_reply "$(_zones_names)" ;;
	mark,*) _zones_reply incomplete ;;
	install,-d | move,*) _zones_files -d ;;
	*) _zones_files -f ;;
	esac
}

_zonecfg() {
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	-z) _zones_reply "$(_zones_names) global" ;;
	-R) _zones_files -d ;;
	-f) _zones_files -f ;;
	*) [ "$COMP_CWORD" != 1 ] || _zones_reply "-z -u -R help" ;;
	esac
}

_zlogin() {
	local i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-[el] | -[!el]*[el]) ((i++)) ;;
		-*) ;;
		*) return ;; # the zone; what follows is a command there
		esac
	done
	# Or the word is the argument of an option.
	((i > COMP_CWORD)) || _zones_reply "$(_zones_names)"
}

complete -F _zoneadm zoneadm
complete -F _zonecfg zonecfg
complete -F _zlogin zlogin

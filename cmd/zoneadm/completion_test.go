// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"strings"
	"testing"
)

// A zone is offered wherever its name may stand, and nowhere else. The cursor
// is behind the last blank.
func TestCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	const script = `zoneadm() { printf '3:web:running:/web:u:linux:excl:1\n-:wiki:installed:/wiki:u:linux:excl:2\n'; }
. ./completion.bash
IFS=' ' read -ra COMP_WORDS <<<"$1"
case $1 in *' ') COMP_WORDS+=('') ;; esac
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
"_${COMP_WORDS[0]}" 2>&1
echo "${COMPREPLY[*]}"`
	for line, want := range map[string]string{
		"zlogin ":                         "web wiki",
		"zlogin we":                       "web",
		"zlogin -C ":                      "web wiki",
		"zlogin -l user ":                 "web wiki",
		"zlogin -l user -Q wi":            "wiki",
		"zlogin -luser ":                  "web wiki",
		"zlogin -Ql user w":               "web wiki",
		"zlogin -l ":                      "",
		"zlogin -Qe ":                     "",
		"zlogin web ":                     "",
		"zlogin web ls -l ":               "",
		"zlogin web ls -a ":               "",
		"zoneadm -z wi":                   "wiki",
		"zoneadm -z new clone -m copy we": "web",
		"zoneadm -z new clone -m ":        "copy",
	} {
		out, err := exec.Command(bash, "-c", script, "bash", line).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", line, got, err, want)
		}
	}
}

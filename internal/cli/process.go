// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Privileged reports whether this process may do on its machine what root may.
func Privileged() bool {
	if os.Geteuid() != 0 {
		return false
	}
	var data [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// CallerEnv tells a command of root for which user it runs; see Caller.
const CallerEnv = "_ZONES_CALLER_UID"

// Caller is the user on whose behalf this process runs: the real user, or the
// one whom root says in CallerEnv. That can take rights away, never give any.
func Caller() int {
	uid := os.Getuid()
	if uid != 0 {
		return uid
	}
	if text := os.Getenv(CallerEnv); text != "" {
		if n, err := strconv.ParseUint(text, 10, 31); err == nil {
			return int(n)
		}
		return nobody
	}
	return uid
}

// nobody has no rights anywhere.
const nobody = 65534

// Terminal reports whether a stream is a terminal.
func Terminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

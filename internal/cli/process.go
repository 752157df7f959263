// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"

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

// Terminal reports whether a stream is a terminal.
func Terminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

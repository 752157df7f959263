// SPDX-License-Identifier: Apache-2.0

package nsexec

import "golang.org/x/sys/unix"

const nativeArch = unix.AUDIT_ARCH_X86_64

var archRefused = []uint32{unix.SYS_IOPL, unix.SYS_IOPERM}

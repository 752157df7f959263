// SPDX-License-Identifier: Apache-2.0

package nsexec

import "golang.org/x/sys/unix"

const nativeArch = unix.AUDIT_ARCH_AARCH64

var archRefused []uint32

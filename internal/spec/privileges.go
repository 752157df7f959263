// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"strings"

	"golang.org/x/sys/unix"

	"zones/internal/brand"
	"zones/internal/config"
	"zones/internal/nsexec"
	"zones/internal/schema"
)

// capabilities of Linux by name, without their prefix.
var capabilities = map[string]int{
	"chown": unix.CAP_CHOWN, "dac_override": unix.CAP_DAC_OVERRIDE, "dac_read_search": unix.CAP_DAC_READ_SEARCH,
	"fowner": unix.CAP_FOWNER, "fsetid": unix.CAP_FSETID, "kill": unix.CAP_KILL, "setgid": unix.CAP_SETGID,
	"setuid": unix.CAP_SETUID, "setpcap": unix.CAP_SETPCAP, "linux_immutable": unix.CAP_LINUX_IMMUTABLE,
	"net_bind_service": unix.CAP_NET_BIND_SERVICE, "net_broadcast": unix.CAP_NET_BROADCAST, "net_admin": unix.CAP_NET_ADMIN,
	"net_raw": unix.CAP_NET_RAW, "ipc_lock": unix.CAP_IPC_LOCK, "ipc_owner": unix.CAP_IPC_OWNER,
	"sys_module": unix.CAP_SYS_MODULE, "sys_rawio": unix.CAP_SYS_RAWIO, "sys_chroot": unix.CAP_SYS_CHROOT,
	"sys_ptrace": unix.CAP_SYS_PTRACE, "sys_pacct": unix.CAP_SYS_PACCT, "sys_admin": unix.CAP_SYS_ADMIN,
	"sys_boot": unix.CAP_SYS_BOOT, "sys_nice": unix.CAP_SYS_NICE, "sys_resource": unix.CAP_SYS_RESOURCE,
	"sys_time": unix.CAP_SYS_TIME, "sys_tty_config": unix.CAP_SYS_TTY_CONFIG, "mknod": unix.CAP_MKNOD,
	"lease": unix.CAP_LEASE, "audit_write": unix.CAP_AUDIT_WRITE, "audit_control": unix.CAP_AUDIT_CONTROL,
	"setfcap": unix.CAP_SETFCAP, "mac_override": unix.CAP_MAC_OVERRIDE, "mac_admin": unix.CAP_MAC_ADMIN,
	"syslog": unix.CAP_SYSLOG, "wake_alarm": unix.CAP_WAKE_ALARM, "block_suspend": unix.CAP_BLOCK_SUSPEND,
	"audit_read": unix.CAP_AUDIT_READ, "perfmon": unix.CAP_PERFMON, "bpf": unix.CAP_BPF,
	"checkpoint_restore": unix.CAP_CHECKPOINT_RESTORE,
}

// powerless are capabilities that mean nothing below the host's own user
// namespace: a zone has them by name at most.
var powerless = []string{"sys_module", "sys_rawio", "sys_time", "mac_override", "mac_admin", "wake_alarm",
	"block_suspend", "audit_control", "audit_read", "syslog", "bpf", "perfmon", "linux_immutable", "lease"}

// notByDefault are those of the powerless that a zone does not have by default;
// the others it keeps, because programs test for them and do without.
var notByDefault = []string{"sys_module", "sys_rawio", "sys_time", "mac_override", "mac_admin", "wake_alarm", "block_suspend"}

// meaning gives the capabilities that stand for a privilege of illumos. Those
// not named here are what every process on Linux may do.
var meaning = map[string][]string{
	"file_chown": {"chown"}, "file_dac_execute": {"dac_override"}, "file_dac_write": {"dac_override"},
	"file_dac_read": {"dac_read_search", "dac_override"}, "file_dac_search": {"dac_read_search"},
	"file_owner": {"fowner", "linux_immutable"}, "file_flag_set": {"linux_immutable"}, "file_setid": {"fsetid", "setfcap"},
	"ipc_dac_read": {"ipc_owner"}, "ipc_dac_write": {"ipc_owner"}, "ipc_owner": {"ipc_owner"},
	"net_privaddr": {"net_bind_service"}, "net_bindmlp": {"net_bind_service"},
	"net_icmpaccess": {"net_raw"}, "net_rawaccess": {"net_raw"}, "net_observability": {"net_raw"},
	"sys_ip_config": {"net_admin", "net_broadcast"}, "sys_net_config": {"net_admin"}, "sys_dl_config": {"net_admin"},
	"sys_flow_config": {"net_admin"}, "sys_iptun_config": {"net_admin"}, "sys_ppp_config": {"net_admin"},
	"proc_owner": {"kill", "sys_ptrace"}, "proc_setid": {"setuid", "setgid", "setpcap"}, "proc_chroot": {"sys_chroot"},
	"proc_lock_memory": {"ipc_lock"}, "proc_priocntl": {"sys_nice"}, "proc_prioup": {"sys_nice"},
	"proc_audit": {"audit_write"}, "sys_audit": {"audit_write", "audit_control"}, "sys_acct": {"sys_pacct"},
	"sys_admin": {"sys_admin", "sys_boot", "syslog", "checkpoint_restore", "bpf", "perfmon", "audit_read", "lease"},
	"sys_mount": {"sys_admin"}, "sys_resource": {"sys_resource"}, "sys_devices": {"mknod", "sys_tty_config", "sys_rawio"},
	"sys_config": {"sys_module"}, "sys_time": {"sys_time"}, "sys_suser_compat": {"sys_admin"},
}

func mask(names ...string) uint64 {
	var m uint64
	for _, n := range names {
		m |= 1 << capabilities[n]
	}
	return m
}

// privileges turns limitpriv into the capability bounding set. What a brand
// gives by default is every capability that can have an effect in a zone:
// sets of illumos privileges are finer than Linux in some places and coarser
// in others, and a distribution expects its root to be one.
func (z *Zone) privileges(c *config.Config, _ *brand.Brand, f *Facts) error {
	all := uint64(1)<<(f.LastCap+1) - 1
	usual := all &^ mask(notByDefault...)
	z.Process.Seccomp = nsexec.SeccompFilter()
	list, ok, err := schema.LimitPriv.Read(c)
	if err != nil {
		return problem(schema.LimitPriv.Name, "%s", err.Error())
	}
	if !ok || len(list) == 0 {
		z.Process.Caps = usual
		return nil
	}
	var set uint64
	var idle []string
	for _, p := range list {
		var m uint64
		switch {
		case p.Linux:
			m = mask(p.Name)
		case p.Name == schema.DefaultPrivileges:
			m = usual
		case p.Name == "all":
			m = all
		default:
			m = mask(meaning[p.Name]...)
		}
		if p.Remove {
			set &^= m
			continue
		}
		set |= m
		if p.Linux && contains(powerless, p.Name) {
			idle = append(idle, p.Name)
		}
		if p.Name == "sys_time" && !p.Linux {
			idle = append(idle, p.Name)
		}
	}
	if len(idle) > 0 {
		z.warn("%s %s: the kernel grants this to the host alone, whatever a zone holds", schema.LimitPriv.Name, strings.Join(idle, ","))
	}
	z.Process.Caps = set & all
	return nil
}

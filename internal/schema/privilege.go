// SPDX-License-Identifier: Apache-2.0

package schema

import "strings"

// PrivilegeError is a name that is no privilege.
type PrivilegeError struct{ Name string }

func (e *PrivilegeError) Error() string { return "invalid privilege: " + e.Name }

// A Privilege is one element of limitpriv, in the order written.
type Privilege struct {
	Name   string // without cap_ in front for those of Linux; "default" for the brand's own set
	Linux  bool   // a Linux capability
	Remove bool
}

// DefaultPrivileges is the element that stands for what the brand gives.
const DefaultPrivileges = "default"

// Covers reports whether the element means the privilege: its own name, all,
// or a set that the name is in. The default set is the basic one and what the
// brand adds.
func (p Privilege) Covers(name string, byDefault []string) bool {
	switch p.Name {
	case name, "all":
		return true
	case "basic":
		return has(basicPrivileges, name)
	case DefaultPrivileges:
		return has(basicPrivileges, name) || has(byDefault, name)
	}
	return false
}

var basicPrivileges = strings.Fields(`file_link_any file_read file_write net_access proc_exec proc_fork proc_info
	proc_secflags proc_session`)

// illumosPrivileges are the privileges of illumos, but "zone".
var illumosPrivileges = strings.Fields(`all basic none
	contract_event contract_identity contract_observer cpc_cpu dax_access dtrace_kernel dtrace_proc dtrace_user
	file_chown file_chown_self file_dac_execute file_dac_read file_dac_search file_dac_write
	file_downgrade_sl file_flag_set file_link_any file_owner file_read file_setid file_upgrade_sl file_write
	graphics_access graphics_map hyprlofs_control ipc_dac_read ipc_dac_write ipc_owner
	net_access net_bindmlp net_icmpaccess net_mac_aware net_mac_implicit net_observability net_privaddr net_rawaccess
	proc_audit proc_chroot proc_clock_highres proc_exec proc_fork proc_info proc_lock_memory proc_owner proc_prioup
	proc_priocntl proc_secflags proc_session proc_setid proc_taskid proc_zone
	sys_acct sys_admin sys_audit sys_config sys_devices sys_dl_config sys_flow_config sys_fs_import sys_ib_config
	sys_ib_info sys_ip_config sys_ipc_config sys_iptun_config sys_linkdir sys_mount sys_net_config sys_nfs
	sys_ppp_config sys_res_bind sys_res_config sys_resource sys_share sys_smb sys_suser_compat sys_time
	sys_trans_label virt_manage win_colormap win_config win_dac_read win_dac_write win_devices win_dga
	win_downgrade_sl win_fontpath win_mac_read win_mac_write win_selection win_upgrade_sl xvm_control`)

// BasicPrivileges are what "basic" stands for.
var BasicPrivileges = strings.Fields(`file_link_any file_read file_write net_access proc_exec proc_fork proc_info
	proc_session`)

// linuxCapabilities are those of Linux 6.12 without their prefix.
var linuxCapabilities = strings.Fields(`chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap
	linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot
	sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write
	audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf
	checkpoint_restore`)

// privileges is a list of privileges of illumos and capabilities of Linux. A
// name is taken away again by "-" or "!" in front.
var privileges = Kind[[]Privilege]{
	Meta: "PRIVILEGES", Allowed: "privileges with commas between them; -NAME and !NAME take away; default first",
	Values: append([]string{DefaultPrivileges}, illumosPrivileges...),
	parse:  parsePrivileges,
	sample: pick("default", "default,sys_time", "default,!net_rawaccess", "basic,cap_net_bind_service", ""),
}

func parsePrivileges(s string) ([]Privilege, error) {
	if s == "" {
		return nil, nil
	}
	var all []Privilege
	for i, word := range strings.Split(s, ",") {
		name := strings.ToLower(strings.TrimSpace(word))
		p := Privilege{Name: strings.TrimLeft(name, "-!")}
		p.Remove = p.Name != name
		if len(name)-len(p.Name) > 1 {
			return nil, &PrivilegeError{word}
		}
		bare, isCap := strings.CutPrefix(p.Name, "cap_")
		switch {
		case isCap && has(linuxCapabilities, bare):
			p.Name, p.Linux = bare, true
		case isCap:
			return nil, &PrivilegeError{word}
		case p.Name == DefaultPrivileges && (i > 0 || p.Remove),
			p.Name != DefaultPrivileges && !has(illumosPrivileges, strings.TrimPrefix(p.Name, "priv_")):
			return nil, &PrivilegeError{word}
		default:
			p.Name = strings.TrimPrefix(p.Name, "priv_")
		}
		all = append(all, p)
	}
	return all, nil
}

func has(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"zones/internal/zone"
)

// A verb is one subcommand: what may be typed, what help says about it, and
// what carries it out. The table dispatches, prints usage and help, and is
// what the manual page is held to.
type verb struct {
	id      zone.Verb
	args    string // synopsis of options and operands
	help    string // one sentence or more; printed as it stands
	private bool   // neither help nor usage shows it
	starts  bool   // it needs a supervisor, and hardly ever finds one
	run     func(ctx context.Context, e *env, v *verb, args []string) error
}

func (v *verb) name() string { return v.id.String() }

func (v *verb) synopsis() string {
	if v.args == "" {
		return v.name()
	}
	return v.name() + " " + v.args
}

// verbs is in the order in which help shows them. It is filled by init because
// help itself reads it.
var verbs []verb

func init() {
	verbs = []verb{
		{id: zone.Help, run: help,
			help: "Print how zoneadm, or each subcommand named, is used."},
		{id: zone.Boot, args: "[-- boot_arguments]", starts: true, run: boot,
			help: "Start the zone. Arguments after -- go to its init: -s, -m options, and\n\t-i path for another init. Without any, the bootargs property is used."},
		{id: zone.Halt, run: halt,
			help: "Stop the zone at once: end its processes and take its platform down\n\twithout running its shutdown scripts. May be repeated."},
		{id: zone.ReadyUp, starts: true, run: ready,
			help: "Build the zone's platform, file systems and network included, and start\n\tno process in it."},
		{id: zone.Shutdown, args: "[-r [-- boot_arguments]]", run: shutdown,
			help: "Shut the zone down in an orderly way and wait for it; with -r boot it\n\tagain afterwards."},
		{id: zone.Reboot, args: "[-- boot_arguments]", run: reboot,
			help: "Halt and boot the zone; its configuration is read anew."},
		{id: zone.List, args: "[-cinpv]", run: list,
			help: "List the active zones, or with -z the one named. -i adds those that are\n\tinstalled, -c all that are configured, -n leaves the global zone out.\n\t-v prints a table, -p one line of fields a zone, -j JSON."},
		{id: zone.Verify, run: verify,
			help: "Check whether the zone's configuration can be used on this machine."},
		{id: zone.Install, args: "[brand-specific args]", run: install,
			help: "Install the zone. Where the root comes from is said by one of\n\t-a archive, -d directory, -s ZFS snapshot or stream file, -i OCI image,\n\t-r release to bootstrap. -x nodataset makes no ZFS file system for it."},
		{id: zone.Uninstall, args: "[-F] [brand-specific args]", run: uninstall,
			help: "Remove what was installed; the configuration and delegated datasets stay.\n\t-F does not ask."},
		{id: zone.Clone, args: "[-m method] [-s <ZFS snapshot>] [brand-specific args] zonename", run: clone,
			help: "Install the zone as a clone of another. -m copy copies, -s clones a\n\tsnapshot taken before."},
		{id: zone.Move, args: "zonepath", run: move,
			help: "Move the zone to another zonepath."},
		{id: zone.Detach, args: "[-n] [brand-specific args]", run: detach,
			help: "Give the zone up so that its zonepath can be attached elsewhere. -n only\n\tprints the manifest that would be left there."},
		{id: zone.Attach, args: "[-F] [-n <path>] [brand-specific args]", run: attach,
			help: "Take over a zonepath that was detached. -F leaves the checks out, -n only\n\tchecks the manifest in path (- for standard input)."},
		{id: zone.Mark, args: "incomplete", run: mark,
			help: "Mark the zone incomplete; only uninstall leads out of that."},

		{id: zone.Mount, args: "[-f]", run: mount, private: true,
			help: "Build the zone's platform for maintenance."},
		{id: zone.Unmount, run: unmount, private: true,
			help: "Take the maintenance platform down."},
		{id: zone.Apply, run: apply, private: true,
			help: "Apply the global zone's resource controls to the running system."},
		{id: zone.SysBoot, run: sysboot, private: true,
			help: "Tell the brand of a zone that does not boot by itself that the system did."},
	}
}

// lookup finds a verb by its exact name.
func lookup(name string) *verb {
	for i := range verbs {
		if verbs[i].name() == name {
			return &verbs[i]
		}
	}
	return nil
}

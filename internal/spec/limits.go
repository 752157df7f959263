// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"zones/internal/brand"
	"zones/internal/cgroup"
	"zones/internal/config"
	"zones/internal/nsexec"
	"zones/internal/schema"
)

// lwpsPerProcess is how many threads a zone may have for each process when
// only processes are limited.
const lwpsPerProcess = 10

// maxWeight is the highest weight of a cgroup.
const maxWeight = 10000

func (z *Zone) limits(c *config.Config, _ *brand.Brand, f *Facts) error {
	z.Process.Rlimits = slices.Clone(f.Rlimits)
	if err := z.cpu(c, f); err != nil {
		return err
	}
	if r := c.First(schema.CappedMemoryResource); r != nil {
		z.Limits.Memory, _ = schema.CappedMemoryPhysical.Of(r)
		if swap, ok := schema.CappedMemorySwap.Of(r); ok {
			z.Limits.Swap = &swap
		}
		if locked, ok := schema.CappedMemoryLocked.Of(r); ok {
			z.rlimit(unix.RLIMIT_MEMLOCK, locked)
		}
	}
	lwps, haveLWPs := schema.MaxLWPs.Of(c)
	processes, haveProcesses := schema.MaxProcesses.Of(c)
	switch {
	case haveProcesses && !haveLWPs:
		lwps = processes * lwpsPerProcess
		if lwps/lwpsPerProcess != processes {
			lwps = processes
		}
	case haveLWPs && !haveProcesses:
		processes = lwps
	}
	if haveLWPs || haveProcesses {
		z.Limits.PIDs = lwps
		z.rlimit(unix.RLIMIT_NPROC, processes)
	}
	if n, ok := schema.ZFSIOPriority.Of(c); ok {
		z.Limits.IOWeight = min(max(n, 1), maxWeight)
	}
	z.ipc(c, f)
	for _, s := range z.Limits.Settings() {
		if !contains(f.Controllers, s.Controller) {
			return problem("limit "+s.File, "cgroup controller %s is not available", s.Controller)
		}
	}
	return nil
}

func (z *Zone) rlimit(resource int, n uint64) {
	z.Process.Rlimits = slices.DeleteFunc(z.Process.Rlimits, func(r nsexec.Rlimit) bool { return r.Resource == resource })
	z.Process.Rlimits = append(z.Process.Rlimits, nsexec.Rlimit{Resource: resource, Soft: n, Hard: n})
}

// ProcessorsResource is what the administrator asks for a Zone's Processors by.
var ProcessorsResource = schema.DedicatedCPUResource.Name

func (z *Zone) cpu(c *config.Config, f *Facts) error {
	if r := c.First(schema.CappedCPUResource); r != nil {
		// The cap is in hundredths of a processor.
		if cap, ok := schema.CappedCPUNCPUs.Of(r); ok {
			z.Limits.CPUQuota = cap * (cgroup.CPUPeriod / 100)
		}
	}
	if shares, ok := schema.CPUShares.Of(c); ok {
		z.Limits.CPUWeight = min(max(shares, 1), maxWeight)
		// No share means: only what nobody else wants.
		z.Limits.CPUIdle = shares == 0
	}
	if r := c.First(schema.DedicatedCPUResource); r != nil {
		want, ok := schema.DedicatedCPUNCPUs.Of(r)
		if !ok || want.Low > f.CPUs {
			return problem(r.Type.Name, "%d processors are wanted, and this machine has %d", want.Low, f.CPUs)
		}
		z.Processors = cgroup.Processors{Low: want.Low, High: want.High}
		if !f.Isolates {
			z.warn("%s: no other zone has the zone's processors, but the host may use them too: Linux 6.7 can keep it off them", r.Type.Name)
		}
	}
	if class, ok := schema.SchedulingClass.Of(c); ok {
		switch strings.ToUpper(class) {
		case "TS", "FSS", "FX", "IA", "OTHER":
			// What every process has; weights come from the shares.
		case "IDLE", "BATCH":
			z.Limits.CPUIdle = true
		default:
			z.warn("%s %s is not used: a zone's processes are scheduled by their weight", schema.SchedulingClass.Name, class)
		}
	}
	return nil
}

// ipc limits System V objects by the settings of the ipc namespace.
func (z *Zone) ipc(c *config.Config, f *Facts) {
	set := func(name, format string, args ...any) {
		z.Sysctls = append(z.Sysctls, Sysctl{"kernel/" + name, fmt.Sprintf(format, args...)})
	}
	if n, ok := schema.MaxShmMemory.Of(c); ok {
		set("shmmax", "%d", n)
		set("shmall", "%d", n/uint64(f.PageSize))
	}
	const most = 32768 // what the kernel takes for numbers of System V objects
	clamp := func(n uint64) uint64 { return min(n, most) }
	if n, ok := schema.MaxShmIDs.Of(c); ok {
		set("shmmni", "%d", clamp(n))
	}
	if n, ok := schema.MaxMsgIDs.Of(c); ok {
		set("msgmni", "%d", clamp(n))
	}
	if n, ok := schema.MaxSemIDs.Of(c); ok {
		// Semaphores a set, in all, operations a call: as the kernel begins.
		set("sem", "32000 1024000000 500 %d", clamp(n))
	}
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

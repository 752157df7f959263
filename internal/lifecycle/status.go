// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"zones/internal/control"
	"zones/internal/delegns"
	"zones/internal/schema"
	"zones/internal/zone"
)

// Status is what a Row does not say of a zone.
type Status struct {
	AutoBoot   bool
	Datasets   []string
	Root       string
	IDBase     *uint64
	IDSize     uint64
	PID        int
	Processes  int
	Cgroup     string
	Memory     uint64
	BootArgs   string
	Supervised bool
	Problems   []string // what could not be found out, and why
}

// Status looks at a zone from all sides. What cannot be found out is a problem
// of the result, not an error.
func (m *Manager) Status(name zone.Name) Status {
	s := Status{Datasets: []string{}}
	problem := func(what string, err error) {
		if err != nil {
			s.Problems = append(s.Problems, what+": "+err.Error())
		}
	}
	if name == zone.Global || m.Inside() {
		s.Root = "/"
		return s
	}
	cfg, _, err := m.Store.Load(name)
	problem("configuration", err)
	if err == nil {
		s.AutoBoot, _ = schema.AutoBoot.Of(cfg)
		s.IDSize, _ = schema.IDSize.Of(cfg)
		if base, ok := schema.IDBase.Of(cfg); ok {
			s.IDBase = &base
		}
		s.Root = filepath.Join(cfg.Text(schema.ZonePath.Property), rootName)
		for _, res := range cfg.All(schema.DatasetResource) {
			s.Datasets = append(s.Datasets, res.Text(schema.DatasetName.Property))
		}
	}
	record, _, err := control.Status(name)
	if err != nil || m.Store.Root() != "" {
		return s
	}
	s.PID, s.Cgroup, s.BootArgs = record.PID, record.Cgroup, record.Args
	if record.Root != "" {
		s.Root = record.Root
	}
	conn, err := control.Dial(context.Background(), name)
	if err == nil {
		s.Supervised = true
		_ = conn.Close()
	} else if !errors.Is(err, control.ErrNoSupervisor) {
		problem("supervisor", err)
	}
	s.Memory, err = readNumber(filepath.Join(record.Cgroup, "memory.current"))
	problem("memory", err)
	// A record that was lost has no number, and that of no zone is the host's.
	if record.ID != 0 {
		s.Processes, err = processes(record.ID)
		problem("processes", err)
	}
	return s
}

func readNumber(path string) (uint64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64)
}

// processes counts those of a delegation namespace.
func processes(id uint64) (int, error) {
	dev, err := delegns.Open()
	if err != nil {
		return 0, err
	}
	defer dev.Close()
	ns, err := dev.OpenByID(id, 0)
	if err != nil {
		return 0, err
	}
	defer ns.Close()
	info, err := ns.Info(true)
	return info.Processes, err
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
)

// jsonStatus is everything there is to say of one zone. Fields may be added.
type jsonStatus struct {
	jsonRow
	AutoBoot   bool     `json:"autoboot"`
	Datasets   []string `json:"datasets"`
	Root       string   `json:"root"`
	IDBase     *uint64  `json:"id-base"` // null until it is chosen
	IDSize     uint64   `json:"id-size"`
	PID        int      `json:"pid,omitempty"` // of the zone's first process
	Processes  int      `json:"processes"`
	Cgroup     string   `json:"cgroup,omitempty"`
	Memory     uint64   `json:"memory"`              // bytes in use
	BootArgs   string   `json:"boot-args,omitempty"` // of the present boot
	Supervised bool     `json:"supervised"`          // a zoneadmd answers
	Problems   []string `json:"problems,omitempty"`
}

func (e *env) printStatus() error {
	row, err := e.zones.Row(e.zone)
	if err != nil {
		return err
	}
	s := e.zones.Status(e.zone)
	out := jsonStatus{
		jsonRow: newJSONRow(&row), AutoBoot: s.AutoBoot, Datasets: s.Datasets, Root: s.Root, IDBase: s.IDBase,
		IDSize: s.IDSize, PID: s.PID, Processes: s.Processes, Cgroup: s.Cgroup, Memory: s.Memory,
		BootArgs: s.BootArgs, Supervised: s.Supervised, Problems: s.Problems,
	}
	encoder := json.NewEncoder(e.say.Out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(out)
}

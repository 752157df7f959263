// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"zones/tests/vm/wire"
)

// portWait bounds how long a port may take to appear and its host to attach.
const portWait = 20 * time.Second

type ports struct{ io, status *os.File }

func openPorts() (ports, error) {
	var p ports
	var err error
	if p.io, err = openPort(wire.IOPort); err != nil {
		return p, err
	}
	p.status, err = openPort(wire.StatusPort)
	return p, err
}

// openPort opens the serial port that QEMU was told to call name.
func openPort(name string) (*os.File, error) {
	for end := time.Now().Add(portWait); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		found, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
		for _, f := range found {
			b, err := os.ReadFile(f)
			if err != nil || strings.TrimSpace(string(b)) != name {
				continue
			}
			return os.OpenFile("/dev/"+filepath.Base(filepath.Dir(f)), os.O_RDWR, 0)
		}
	}
	return nil, fmt.Errorf("open port %s: no such port", name)
}

// patient reads from a port as if its host were always attached: before the
// host has opened its end, a read answers with the end of the file.
type patient struct{ f *os.File }

func (p patient) Read(b []byte) (int, error) {
	for {
		n, err := p.f.Read(b)
		if n > 0 || (err != nil && !errors.Is(err, io.EOF)) {
			return n, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func readJob(port *os.File) (wire.Job, error) {
	var job wire.Job
	kind, data, err := wire.Read(patient{port})
	if err != nil {
		return job, fmt.Errorf("read job: %w", err)
	}
	if kind != wire.JobFrame {
		return job, fmt.Errorf("read job: the first frame is a %q", kind)
	}
	if err := json.Unmarshal(data, &job); err != nil {
		return job, fmt.Errorf("read job: %w", err)
	}
	return job, nil
}

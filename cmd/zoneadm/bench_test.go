// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"zones/internal/zone"
)

// manyZones makes a root with ten thousand zones.
func manyZones(b *testing.B) string {
	b.Helper()
	root := b.TempDir()
	etc := filepath.Join(root, "etc", "zones")
	if err := os.MkdirAll(etc, 0o755); err != nil {
		b.Fatal(err)
	}
	var index strings.Builder
	index.WriteString("global:installed:/\n")
	for i := range 10_000 {
		name := fmt.Sprintf("zone-%05d", i)
		fmt.Fprintf(&index, "%s:installed:/zones/%s:%s\n", name, name, zone.NewUUID())
		doc := fmt.Sprintf("<?xml version=\"1.0\"?>\n<zone name=%q zonepath=\"/zones/%s\" brand=\"linux\" debugid=\"%d\"/>\n", name, name, i+1)
		if err := os.WriteFile(filepath.Join(etc, name+".xml"), []byte(doc), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(etc, "index"), []byte(index.String()), 0o644); err != nil {
		b.Fatal(err)
	}
	return root
}

// BenchmarkListOf10000 runs zoneadm list -cp as it is installed, from its start
// to its end, and reports the most memory that it held.
func BenchmarkListOf10000(b *testing.B) {
	program := filepath.Join(b.TempDir(), "zoneadm")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	root, peak := manyZones(b), 0.0
	for b.Loop() {
		cmd := exec.Command(program, "-R", root, "list", "-cp")
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			b.Fatal(err)
		}
		// All is known before the first line is written, and a pipe takes a
		// tenth of them. What wait4 reports counts the process before exec.
		lines := bufio.NewReader(out)
		if _, err := lines.ReadString('\n'); err != nil {
			b.Fatal(err)
		}
		peak = max(peak, peakKB(b, cmd.Process.Pid))
		rest, err := io.ReadAll(lines)
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
		if n := strings.Count(string(rest), ":installed:"); err != nil || n != 10_000 {
			b.Fatalf("%d zones are listed: %v", n, err)
		}
	}
	b.ReportMetric(peak, "peak-KB")
}

func peakKB(b *testing.B, pid int) float64 {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "\nVmHWM:")
	n, err := strconv.ParseFloat(strings.Fields(rest + " ?")[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

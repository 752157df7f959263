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
)

// built builds the command as it is installed.
func built(b *testing.B) string {
	b.Helper()
	file := filepath.Join(b.TempDir(), "zonecfg")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return file
}

// process measures a process from its start to its end.
func process(b *testing.B, name string, args ...string) {
	b.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		b.Fatalf("%s is needed for the comparison: %v", name, err)
	}
	for b.Loop() {
		if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
}

// memory reports what a process holds after it has answered on its standard
// output. (The peak that wait4 reports counts the process it was forked from.)
func memory(b *testing.B, name string, args ...string) {
	b.Helper()
	cmd := exec.Command(name, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { in.Close(); _ = cmd.Wait() }()
	if _, err := io.WriteString(in, "info\n"); err != nil {
		b.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		b.Fatal(err)
	}
	proc := fmt.Sprintf("/proc/%d/", cmd.Process.Pid)
	b.ReportMetric(field(b, proc+"status", "VmHWM:"), "peak-KB")
	b.ReportMetric(field(b, proc+"smaps_rollup", "Pss:"), "pss-KB")
	b.ReportMetric(0, "ns/op")
}

func field(b *testing.B, file, name string) float64 {
	b.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "\n"+name)
	n, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func BenchmarkProcess(b *testing.B) {
	zonecfg := built(b)
	root, run := inProcess(b)
	if status, out := run("-z", "z", "create -b; set zonepath="+root+"/zones/z"); status != 0 {
		b.Fatal(out)
	}
	script := filepath.Join(b.TempDir(), "script")
	if err := os.WriteFile(script, []byte(twenty), 0o644); err != nil {
		b.Fatal(err)
	}
	b.Run("true", func(b *testing.B) { process(b, "true") })
	b.Run("git-config", func(b *testing.B) { process(b, "git", "config", "--list") })
	b.Run("info", func(b *testing.B) { process(b, zonecfg, "-R", root, "-z", "z", "info") })
	b.Run("info-memory", func(b *testing.B) { memory(b, zonecfg, "-R", root, "-z", "z") })
	b.Run("twenty-commands", func(b *testing.B) { process(b, zonecfg, "-R", root, "-z", "z", "-f", script) })
}

// twenty is a script of twenty commands that can be run again and again.
const twenty = `set autoboot=true
set bootargs="-m verbose"
set pool=a
clear pool
set max-lwps=1000
set cpu-shares=5
add fs
set dir=/data
set special=/export/data
set type=lofs
add options [ro,nosuid]
end
add dataset
set name=tank/data
end
remove fs
remove dataset
set autoboot=false
verify
commit
`

// BenchmarkThousandResources parses a script with a thousand resources and
// stores what it makes.
func BenchmarkThousandResources(b *testing.B) {
	root, run := inProcess(b)
	var script strings.Builder
	fmt.Fprintf(&script, "create -F -b\nset zonepath=%s/zones/z\n", root)
	for i := range 1000 {
		fmt.Fprintf(&script, "add dataset\nset name=tank/data/d%d\nend\n", i)
	}
	file := filepath.Join(b.TempDir(), "script")
	if err := os.WriteFile(file, []byte(script.String()), 0o644); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if status, out := run("-z", "z", "-f", file); status != 0 {
			b.Fatal(out)
		}
	}
}

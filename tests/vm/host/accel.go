// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"zones/tests/vm/wire"
)

var (
	kvm = []string{"-accel", "kvm", "-cpu", "host"}
	tcg = []string{"-accel", "tcg,thread=multi", "-cpu", "max"}
)

// probeLimit is how long a guest with KVM may take to come up: about ten times
// what it takes where KVM works.
const probeLimit = 10 * time.Second

// readArtifacts parses what tests/vm/build printed: a name, "=" and a value a
// line.
func readArtifacts(text string) (map[string]string, error) {
	files := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		k, v, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("read artifacts: malformed line %q", line)
		}
		files[k] = v
	}
	for _, want := range []string{"kernel", "kernel-release", "initrd", "root", "payload", "images"} {
		if files[want] == "" {
			return nil, fmt.Errorf("read artifacts: %s is missing", want)
		}
	}
	return files, nil
}

// chooseAccel returns QEMU's arguments for the fastest way that really runs a
// guest here. Whether KVM does is found out once for a boot of this machine and
// a version of QEMU: that /dev/kvm opens says little, in a guest of a guest
// least of all.
func chooseAccel(opt options, files map[string]string) (args []string, why string, err error) {
	version, err := exec.Command(qemu, "--version").Output()
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w; install the package qemu-system-x86", qemu, err)
	}
	dev, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return tcg, "emulated (TCG): /dev/kvm cannot be opened", nil
	}
	dev.Close()
	name := filepath.Join(opt.cache, "kvm-"+machineKey(string(version)))
	answer, err := os.ReadFile(name)
	if err != nil || (string(answer) != "yes" && string(answer) != "no") {
		answer = []byte("no")
		if probe(opt, files) == nil {
			answer = []byte("yes")
		}
		if err := remember(name, answer); err != nil {
			return nil, "", err
		}
	}
	if string(answer) == "yes" {
		return kvm, "with KVM", nil
	}
	return tcg, "emulated (TCG): /dev/kvm is there, but no guest runs with it", nil
}

func machineKey(version string) string {
	h := sha256.New()
	fmt.Fprintln(h, version)
	for _, f := range []string{"/proc/sys/kernel/random/boot_id", "/proc/sys/kernel/osrelease", "/proc/sys/kernel/version"} {
		b, _ := os.ReadFile(f)
		h.Write(b)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}

// remember writes a small file at once or not at all.
func remember(name string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".kvm-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// probe boots the guest with KVM and waits for it to answer.
func probe(opt options, files map[string]string) error {
	g, err := start(opt, files, kvm)
	if err != nil {
		return err
	}
	defer g.end()
	if err := g.send(wire.Job{Probe: true}); err != nil {
		return err
	}
	up := make(chan wire.Report)
	go readReports(g.status, up)
	select {
	case rep := <-up:
		if rep.Exit != nil {
			return nil
		}
		return errors.New("the guest died")
	case <-time.After(probeLimit):
		return errors.New("no answer in time")
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"zones/internal/brand"
	"zones/internal/cli"
	"zones/internal/config"
	"zones/internal/control"
	"zones/internal/delegns"
	"zones/internal/schema"
	"zones/internal/store"
	"zones/internal/zone"
)

// inZone reports whether the program runs inside a zone. Without the module
// there are none. A test stands in for the kernel here.
var inZone = func() bool {
	id, _, err := delegns.Own()
	return err == nil && id != 0
}

// facts asks the machine what a session must know.
type facts struct {
	store  *store.Store
	brands map[string]*config.Brand // nil for one that is not installed
}

func (f *facts) Brand(name string) (config.Brand, bool) {
	if name == "" {
		name = brand.Default
	}
	rules, known := f.brands[name]
	if !known {
		rules = f.find(name)
		if f.brands == nil {
			f.brands = map[string]*config.Brand{}
		}
		f.brands[name] = rules
	}
	if rules == nil {
		return config.Brand{}, false
	}
	return *rules, true
}

func (f *facts) find(name string) *config.Brand {
	b, err := brand.Find(f.store.Root(), name)
	if err != nil {
		return nil
	}
	rules := &config.Brand{SharedOnly: b.SharedOnly, Privileges: b.Privileges, Forbids: b.Forbids}
	if _, ok := b.Hook(brand.VerifyConfig, "", ""); ok {
		rules.Check = func(c *config.Config) error { return checkByBrand(b, c) }
	}
	return rules
}

// checkByBrand has the brand's command look at a copy of the configuration.
func checkByBrand(b *brand.Brand, c *config.Config) error {
	dir, err := os.MkdirTemp("", "zonecfg.")
	if err != nil {
		return fmt.Errorf("check by brand: %w", err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "config.xml")
	if err := store.WriteFile(file, c); err != nil {
		return fmt.Errorf("check by brand: %w", err)
	}
	line, _ := b.Hook(brand.VerifyConfig, string(c.Name()), c.Text(schema.ZonePath.Property))
	cmd := exec.Command("/bin/sh", "-c", line+` "$1"`, "sh", file)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch text := strings.TrimSuffix(string(out), "\n"); {
	case err == nil:
		return nil
	case errors.As(err, &exit) && text != "":
		return errors.New(text)
	default:
		return fmt.Errorf("check by brand %s: %w", b.Name, err)
	}
}

func (f *facts) User(name string) bool {
	_, err := cli.AccountNamed(name)
	return err == nil
}

const linkDir = "/sys/class/net"

func (f *facts) Link(name string) bool {
	if name == "" || strings.ContainsRune(name, '/') || name == "." || name == ".." {
		return false
	}
	_, err := os.Stat(filepath.Join(linkDir, name))
	return err == nil
}

func (f *facts) State(name zone.Name) (zone.State, bool) { return kernelState(f, name) }

// kernelState is the state of an active zone. Nothing is active in an alternate
// root. A test stands in for the kernel here.
var kernelState = func(f *facts, name zone.Name) (zone.State, bool) {
	if f.store.Root() != "" {
		return 0, false
	}
	_, state, err := control.Status(name)
	return state, err == nil
}

// Values are what completion offers. What cannot be found out is not offered.
func (f *facts) Values(s schema.Source) []string {
	switch s {
	case schema.Datasets:
		return datasets()
	case schema.Links:
		return folder(linkDir)
	case schema.Zones:
		return f.zones()
	case schema.Brands:
		return brand.Names(f.store.Root())
	case schema.Users:
		return users()
	case schema.Rctls:
		return schema.RctlNames()
	}
	return nil
}

func (f *facts) zones() []string {
	names := f.store.Templates()
	if zones, err := f.store.Names(); err == nil {
		for _, n := range zones {
			names = append(names, string(n))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func folder(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

func users() []string {
	data, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return nil
	}
	var names []string
	for _, line := range strings.Split(string(data), "\n") {
		if name, _, ok := strings.Cut(line, ":"); ok {
			names = append(names, name)
		}
	}
	return names
}

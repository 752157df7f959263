// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"testing"

	"zones/internal/schema"
)

func TestTypedReading(t *testing.T) {
	c := New("web")
	c.Zone.SetText(schema.ZonePath.Property, "/zones/web")
	d := NewResource(schema.DatasetResource)
	d.SetText(schema.DatasetName.Property, "tank/web")
	c.Add(d)
	if p, ok := schema.ZonePath.Of(c); !ok || p != "/zones/web" {
		t.Errorf("zonepath = %q, %v", p, ok)
	}
	if boot, ok := schema.AutoBoot.Of(c); !ok || boot {
		t.Errorf("autoboot reads %v, %v by default", boot, ok)
	}
	if _, ok := schema.HostID.Of(c); ok {
		t.Error("an unset hostid reads as set")
	}
	for _, r := range c.All(schema.DatasetResource) {
		if name, ok := schema.DatasetName.Of(r); !ok || name != "tank/web" {
			t.Errorf("dataset = %q, %v", name, ok)
		}
	}
}

func TestAliasIsTheRctl(t *testing.T) {
	c := New("z")
	p := schema.CappedCPUNCPUs.Property
	if c.First(schema.CappedCPUResource) != nil {
		t.Fatal("an empty zone has a capped-cpu")
	}
	if err := c.SetAlias(p, p.Normal("1.5")); err != nil {
		t.Fatal(err)
	}
	if n, ok := schema.CappedCPUNCPUs.Of(c); !ok || n != 150 {
		t.Errorf("ncpus = %d, %v", n, ok)
	}
	rctl := c.Rctl("zone.cpu-cap")
	rctl.Append(schema.RctlValue.Property, schema.Item{"privileged", "7", "none"})
	if c.First(schema.CappedCPUResource) != nil {
		t.Error("two values still show as an alias")
	}
	if err := c.SetAlias(p, "1"); !errors.Is(err, Incompatible) {
		t.Errorf("SetAlias over two values: %v", err)
	}
	if err := c.ClearAlias(schema.MaxLWPs.Property); !errors.Is(err, NoEntry) {
		t.Errorf("ClearAlias of nothing: %v", err)
	}
	if err := c.SetAlias(schema.CappedMemorySwap.Property, "1073741824"); err != nil {
		t.Fatal(err)
	}
	if n, ok := schema.CappedMemorySwap.Of(c); !ok || n != 1<<30 {
		t.Errorf("swap = %d, %v", n, ok)
	}
}

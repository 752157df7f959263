// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strconv"

	"zones/internal/schema"
)

// Rctl finds the resource control of a name, nil when there is none.
func (c *Config) Rctl(name string) *Resource {
	for _, r := range c.Find(schema.RctlName.Property, name) {
		return r
	}
	return nil
}

// alias reads an alias. It is shown exactly when there is one resource control
// of its name with one value of the alias's privilege and action; there may be
// one which is not of that shape, and then it is taken.
func (c *Config) alias(p *schema.Property) (text string, shown, taken bool) {
	return c.rctlAlias(*p.Alias)
}

func (c *Config) rctlAlias(a schema.Alias) (text string, shown, taken bool) {
	for _, r := range c.Find(schema.RctlName.Property, a.Rctl) {
		limits, _, err := schema.RctlValue.Read(r)
		if taken || err != nil || len(limits) != 1 || limits[0].Action != a.Action {
			return "", false, true
		}
		text, taken = strconv.FormatUint(limits[0].Limit, 10), true
	}
	return text, taken, taken
}

// SetAlias gives an alias a value, as a resource control at the end of the
// list. It fails with Incompatible when there is one of another shape.
func (c *Config) SetAlias(p *schema.Property, text string) error {
	_, shown, taken := c.alias(p)
	if taken && !shown {
		return Incompatible
	}
	if old := c.Rctl(p.Alias.Rctl); old != nil {
		c.Remove(old)
	}
	r := NewResource(schema.RctlResource)
	r.SetText(schema.RctlName.Property, p.Alias.Rctl)
	r.Append(schema.RctlValue.Property, schema.Item{schema.AliasPriv, text, p.Alias.Action})
	c.Add(r)
	return nil
}

// ClearAlias removes the resource control of an alias. It fails with NoEntry
// when there is none and with Incompatible when it has another shape.
func (c *Config) ClearAlias(p *schema.Property) error {
	_, shown, taken := c.alias(p)
	if !taken {
		return NoEntry
	}
	if !shown {
		return Incompatible
	}
	c.Remove(c.Rctl(p.Alias.Rctl))
	return nil
}

// AliasTaken reports whether the resource control of an alias exists, and
// whether it has the shape of the alias.
func (c *Config) AliasTaken(p *schema.Property) (taken, shown bool) {
	_, shown, taken = c.alias(p)
	return taken, shown
}

// AdoptPhysicalCap moves a cap of physical memory that another system kept as a
// resource control to its place here.
func (c *Config) AdoptPhysicalCap() {
	text, shown, _ := c.rctlAlias(schema.PhysicalRctl)
	if !shown || c.stored(schema.CappedMemoryResource) != nil {
		return
	}
	c.Remove(c.Rctl(schema.PhysicalRctl.Rctl))
	r := NewResource(schema.CappedMemoryResource)
	r.SetText(schema.CappedMemoryPhysical.Property, text)
	c.Add(r)
}

func hasAliases(t *schema.Resource) bool {
	return t == schema.CappedCPUResource || t == schema.CappedMemoryResource
}

func (c *Config) computed(t *schema.Resource) []*Resource {
	view := NewResource(t)
	found := false
	if r := c.stored(t); r != nil {
		view, found = r.Clone(), true
	}
	if t == schema.CappedMemoryResource && view.Text(schema.CappedMemoryPhysical.Property) == "" {
		if text, shown, _ := c.rctlAlias(schema.PhysicalRctl); shown {
			view.SetText(schema.CappedMemoryPhysical.Property, text)
			found = true
		}
	}
	for _, p := range t.Props {
		if p.Alias == nil {
			continue
		}
		if text, shown, _ := c.alias(p); shown {
			view.SetText(p, text)
			found = true
		}
	}
	if !found {
		return nil
	}
	return []*Resource{view}
}

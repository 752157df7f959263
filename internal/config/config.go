// SPDX-License-Identifier: Apache-2.0

// Package config is one zone's configuration as it is written: the zone's own
// properties and its resources in order, to be edited, verified and compared.
// It knows neither the language it is typed in nor the file it is kept in.
package config

import (
	"slices"

	"zones/internal/schema"
	"zones/internal/zone"
)

// Extra is what a file said that the schema does not know. Only the store
// fills and writes it; everybody else carries it along.
type Extra struct {
	Attrs    []Attr   // unknown attributes, in order
	Children []string // unknown child elements as XML text, in order
}

// Attr is an unknown attribute of an element.
type Attr struct {
	Name, Value string // the name with its prefix, the value unescaped
}

func (e Extra) clone() Extra {
	return Extra{Attrs: slices.Clone(e.Attrs), Children: slices.Clone(e.Children)}
}

func (e Extra) equal(f Extra) bool {
	return slices.Equal(e.Attrs, f.Attrs) && slices.Equal(e.Children, f.Children)
}

// A Resource holds the properties of one resource, or those of the zone
// itself.
type Resource struct {
	Type  *schema.Resource
	Extra Extra

	values []schema.Value
}

// NewResource makes an empty resource of a type.
func NewResource(t *schema.Resource) *Resource {
	return &Resource{Type: t, values: make([]schema.Value, len(t.Props))}
}

// Get returns the stored value of a property. It makes a Resource a
// [schema.Record].
func (r *Resource) Get(p *schema.Property) (schema.Value, bool) {
	if p.Resource != r.Type || r.values[p.Index] == nil {
		return nil, false
	}
	return r.values[p.Index], true
}

// Text is the text of a simple property, empty when it is unset.
func (r *Resource) Text(p *schema.Property) string {
	v, _ := r.Get(p)
	return v.Text()
}

// Set stores a value as it stands. Nil clears. The property must be one of the
// resource's own; anything else is a mistake of the program and panics.
func (r *Resource) Set(p *schema.Property, v schema.Value) {
	if p.Resource != r.Type {
		panic("config: " + r.Type.Name + " has no property " + p.Name)
	}
	r.values[p.Index] = v
}

// SetText stores the text of a simple property.
func (r *Resource) SetText(p *schema.Property, text string) { r.Set(p, schema.Text(text)) }

// Clear makes a property unset.
func (r *Resource) Clear(p *schema.Property) { r.Set(p, nil) }

// Append adds an item to a list.
func (r *Resource) Append(p *schema.Property, items ...schema.Item) {
	v, _ := r.Get(p)
	r.Set(p, append(slices.Clone(v), items...))
}

// Clone is a deep copy.
func (r *Resource) Clone() *Resource {
	c := &Resource{Type: r.Type, Extra: r.Extra.clone(), values: make([]schema.Value, len(r.values))}
	for i, v := range r.values {
		c.values[i] = v.Clone()
	}
	return c
}

// Equal reports whether two resources say the same. An unset property equals
// one that is set to its default, and the extras count.
func (r *Resource) Equal(o *Resource) bool {
	if r.Type != o.Type || !r.Extra.equal(o.Extra) {
		return false
	}
	for i, p := range r.Type.Props {
		a, b := r.values[i], o.values[i]
		if a == nil && p.Default != "" {
			a = schema.Text(p.Default)
		}
		if b == nil && p.Default != "" {
			b = schema.Text(p.Default)
		}
		if !a.Equal(b) {
			return false
		}
	}
	return true
}

// A Config is the configuration of one zone. Make it with New.
type Config struct {
	Zone *Resource // the zone's own properties, of type schema.Global

	resources []*Resource // in the order of their creation; never of a Computed type
	index     map[mark][]*Resource
}

// A mark is a text that a property has; the index finds resources by it, for
// those properties that Find was asked about.
type mark struct {
	prop *schema.Property
	text string
}

// New makes an empty configuration of the zone name.
func New(name zone.Name) *Config {
	c := &Config{Zone: NewResource(schema.Global)}
	c.SetName(name)
	return c
}

// Name is the name of the zone.
func (c *Config) Name() zone.Name { return zone.Name(c.Zone.Text(schema.ZoneName.Property)) }

// SetName changes the name of the zone.
func (c *Config) SetName(n zone.Name) { c.Zone.SetText(schema.ZoneName.Property, string(n)) }

// Get makes a Config a [schema.Record] for the zone's own properties,
// aliases among them, and for those of single resources.
func (c *Config) Get(p *schema.Property) (schema.Value, bool) {
	if p.Alias != nil {
		text, shown, _ := c.alias(p)
		if !shown {
			return nil, false
		}
		return schema.Text(text), true
	}
	if p.Resource == schema.Global {
		return c.Zone.Get(p)
	}
	if r := c.First(p.Resource); r != nil && p.Resource.Single {
		return r.Get(p)
	}
	return nil, false
}

// Text is the text of a simple property of the zone, empty when it is unset.
func (c *Config) Text(p *schema.Property) string {
	v, _ := c.Get(p)
	return v.Text()
}

// Stored is every resource that is stored as such, in order. The slice is the
// configuration's own and must not be changed.
func (c *Config) Stored() []*Resource { return c.resources }

// All returns the resources of one type in order. Those of which aliases are a
// part, capped-cpu and capped-memory, are copies made for the purpose, whose
// aliases have the values of the resource controls.
func (c *Config) All(t *schema.Resource) []*Resource {
	if hasAliases(t) {
		return c.computed(t)
	}
	var all []*Resource
	for _, r := range c.resources {
		if r.Type == t {
			all = append(all, r)
		}
	}
	return all
}

// First is the first resource of a type, nil when there is none.
func (c *Config) First(t *schema.Resource) *Resource {
	if hasAliases(t) {
		for _, r := range c.computed(t) {
			return r
		}
		return nil
	}
	return c.stored(t)
}

func (c *Config) stored(t *schema.Resource) *Resource {
	for _, r := range c.resources {
		if r.Type == t {
			return r
		}
	}
	return nil
}

// Find returns the stored resources whose property has a text. Resources must
// not be changed after they were added once Find is used.
func (c *Config) Find(p *schema.Property, text string) []*Resource {
	all := mark{prop: p, text: indexed}
	if c.index[all] == nil {
		if c.index == nil {
			c.index = map[mark][]*Resource{}
		}
		c.index[all] = []*Resource{nil}
		for _, r := range c.resources {
			if r.Type == p.Resource {
				m := mark{p, r.Text(p)}
				c.index[m] = append(c.index[m], r)
			}
		}
	}
	return c.index[mark{p, text}]
}

// indexed marks that a property is in the index. No property has this text.
const indexed = "\x00indexed"

// Add appends a resource.
func (c *Config) Add(r *Resource) {
	c.resources = append(c.resources, r)
	if c.index == nil {
		return
	}
	for _, p := range r.Type.Props {
		if c.index[mark{p, indexed}] != nil {
			m := mark{p, r.Text(p)}
			c.index[m] = append(c.index[m], r)
		}
	}
}

// Remove takes a resource out, by identity. Removing one that is not there
// changes nothing.
func (c *Config) Remove(r *Resource) {
	c.resources = slices.DeleteFunc(c.resources, func(x *Resource) bool { return x == r })
	c.index = nil
}

// Clone is a deep copy.
func (c *Config) Clone() *Config {
	d := &Config{Zone: c.Zone.Clone(), resources: make([]*Resource, len(c.resources))}
	for i, r := range c.resources {
		d.resources[i] = r.Clone()
	}
	return d
}

// Equal reports whether two configurations say the same. The order of
// resources counts within a type, as it is seen there, and not between types.
func (c *Config) Equal(d *Config) bool {
	if !c.Zone.Equal(d.Zone) || len(c.resources) != len(d.resources) {
		return false
	}
	for _, t := range schema.Resources {
		if t.Computed {
			continue
		}
		if !slices.EqualFunc(c.ofType(t), d.ofType(t), (*Resource).Equal) {
			return false
		}
	}
	return true
}

func (c *Config) ofType(t *schema.Resource) []*Resource {
	var all []*Resource
	for _, r := range c.resources {
		if r.Type == t {
			all = append(all, r)
		}
	}
	return all
}

// RemoveAll takes all stored resources of a type out.
func (c *Config) RemoveAll(t *schema.Resource) {
	c.resources = slices.DeleteFunc(c.resources, func(x *Resource) bool { return x.Type == t })
	c.index = nil
}

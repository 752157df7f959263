// SPDX-License-Identifier: Apache-2.0

// Package schema declares every resource and every property of a zone, once:
// its name, its type, its check, its help, where its values for completion
// come from and what it is called in the XML file. It holds no values and
// knows neither the grammar of the language nor any file; whoever parses,
// shows, stores or documents properties reads the declarations here.
//
// A property is a typed handle, so that nobody else spells its name:
//
//	name, ok := schema.DatasetName.Of(resource)
//	path, ok := schema.ZonePath.Of(cfg)
package schema

import (
	"slices"
	"sync"
)

// An Item is one element of a value: one text for plain kinds, one text for
// each field, in the order of [Property.Fields], for composite ones.
type Item []string

// A Value is a property as it was written. A simple property has exactly one
// item; a list has any number. A nil Value means not set.
type Value []Item

// Text makes the value of a simple property.
func Text(s string) Value { return Value{{s}} }

// Text is the text of a simple value; that of an unset one is empty.
func (v Value) Text() string {
	if len(v) == 0 || len(v[0]) == 0 {
		return ""
	}
	return v[0][0]
}

// Equal reports whether two values say the same. Unset and the empty list are
// equal, unset and the empty text are not.
func (v Value) Equal(w Value) bool {
	return slices.EqualFunc(v, w, func(a, b Item) bool { return slices.Equal(a, b) })
}

// Clone is a deep copy.
func (v Value) Clone() Value {
	if v == nil {
		return nil
	}
	c := make(Value, len(v))
	for i, item := range v {
		c[i] = slices.Clone(item)
	}
	return c
}

// A Record is what properties are read from: one resource, or a whole
// configuration for the zone's own properties. Get returns the stored value,
// or for an alias the one that the resource control carries.
type Record interface {
	Get(*Property) (Value, bool)
}

// Shape is the grammatical form of a property's value.
type Shape int

// The shapes. A composite value is written (name=token,...).
const (
	Simple     Shape = iota
	List             // simple values, in order
	Composites       // composite values, in order
)

// Stage is when a property's check is made.
type Stage int

// The stages, in the order in which an administrator meets them.
const (
	AtSet Stage = iota
	AtEnd
	AtVerify
)

// Match says what becomes of a property as a qualifier, in "select fs dir=/data".
type Match int

// The degrees.
const (
	NoQualifier Match = iota // refused
	Ignored                  // taken and not compared
	Selects                  // compared by select and remove
	Matches                  // compared by info as well
)

// Source says where completion finds values that no declaration can list.
type Source int

// The sources.
const (
	Nowhere  Source = iota
	Datasets        // of the imported pools
	Links           // network links of the host
	Zones           // configured zones and templates
	Brands          // installed brands
	Users           // accounts of the host
	Paths           // files and folders
	Rctls           // names of resource controls
)

// A Field is one part of a composite item.
type Field struct {
	Name   string // word in the language and attribute in the XML file
	Quoted bool   // printed in double quotes
}

// An Alias says that a property is a resource control in other words: it is
// stored as an rctl of this name with one value of this privilege and action.
type Alias struct {
	Rctl, Action string
}

// AliasPriv is the privilege level of every aliased resource control.
const AliasPriv = "privileged"

// A Property is the untyped face of a property.
type Property struct {
	Name     string
	Help     string    // sentences for people, with a full stop
	Meta     string    // what stands for a value in usage: PATH, SIZE
	Allowed  string    // which values are allowed, as a phrase; empty: any text
	Resource *Resource // the resource it belongs to; Global for the zone's own
	Index    int       // place in Resource.Props
	Shape    Shape
	Stage    Stage // when Check applies
	Max      int   // longest text in bytes; 0 means no limit of its own
	Required bool
	CanClear bool
	Quiet    bool    // info prints nothing, not "not specified", when unset
	Match    Match   // what a qualifier of this name does
	Bare     bool    // export writes the value without quotes
	Default  string  // what an unset property reads as
	Fields   []Field // of Composites
	Alias    *Alias
	Values   []string // all values of an enumeration
	Source   Source

	Attr    string // attribute in the XML file; empty when not stored as one
	Element string // element of its own: of each item, or beside the resource's
	Attrs   []string

	check  func(text string) error
	says   func(zone, prop, text string, err error) string
	normal func(text string) string
	show   func(text string) string
	sample func(*Rand) string
	split  func(text string) []string
	join   func(attrs []string) string
}

// Check reports what is wrong with one text, or nil. For composite kinds the
// text is the whole item as Item prints it.
func (p *Property) Check(text string) error {
	if p.check == nil {
		return nil
	}
	return p.check(text)
}

// Complaint is what the administrator of a zone is told when Check refused a
// text with err; it may have several lines.
func (p *Property) Complaint(zone, text string, err error) string {
	if p.says == nil {
		return p.Name + ": " + err.Error()
	}
	return p.says(zone, p.Name, text, err)
}

// Normal is the form in which an accepted text is stored.
func (p *Property) Normal(text string) string {
	if p.normal == nil {
		return text
	}
	return p.normal(text)
}

// Show is the form in which info prints a stored text; sizes lose precision.
func (p *Property) Show(text string) string {
	if p.show == nil {
		return text
	}
	return p.show(text)
}

// Split gives the values of Attrs for a stored text; Join is its inverse. They
// serve properties which the XML file spreads over several attributes.
func (p *Property) Split(text string) []string { return p.split(text) }

// Join is the inverse of Split.
func (p *Property) Join(attrs []string) string { return p.join(attrs) }

// A Prop is the typed handle of a property.
type Prop[T any] struct {
	*Property
	parse func(Item) (T, error)
	many  func(Value) (T, error)
}

func (p Prop[T]) untyped() *Property { return p.Property }

// Of reads the property. The result is false when it is unset without a
// default, or set to what cannot be read; Read tells these apart.
func (p Prop[T]) Of(r Record) (T, bool) {
	t, ok, err := p.Read(r)
	return t, ok && err == nil
}

// Read is Of with the reason why a stored value cannot be read.
func (p Prop[T]) Read(r Record) (t T, ok bool, err error) {
	v, ok := r.Get(p.Property)
	if !ok {
		if p.Default == "" {
			return t, false, nil
		}
		v = Text(p.Default)
	}
	if p.many != nil {
		t, err = p.many(v)
		return t, true, err
	}
	if len(v) == 0 {
		return t, false, nil
	}
	t, err = p.parse(v[0])
	return t, true, err
}

// A Resource is a type of resource.
type Resource struct {
	Name     string
	Help     string
	Element  string // in the XML file; empty when its properties have their own
	Single   bool   // at most one in a zone
	Host     bool   // the global zone may have it
	Computed bool   // the whole resource is an alias: nothing of it is stored
	Key      *Property
	Props    []*Property
}

// Prop finds a property by its name; nil when the resource has none such.
func (r *Resource) Prop(name string) *Property {
	for _, p := range r.Props {
		if p.Name == name {
			return p
		}
	}
	return nil
}

type handle interface{ untyped() *Property }

func resource(r Resource, key handle, props ...handle) *Resource {
	res := &r
	for i, h := range props {
		p := h.untyped()
		p.Resource, p.Index = res, i
		res.Props = append(res.Props, p)
	}
	if key != nil {
		res.Key = key.untyped()
	}
	return res
}

// Lookup finds a resource type by its name; nil when there is none.
func Lookup(name string) *Resource {
	for _, r := range Resources {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// Resources is every resource type, in the order in which info shows them.
var Resources = []*Resource{
	FSResource, NetResource, DeviceResource,
	DedicatedCPUResource, CappedCPUResource, CappedMemoryResource,
	AttrResource, DatasetResource, AdminResource, RctlResource, SecurityFlagsResource,
}

// Keyword reports whether a word is the name of a property or of a field of a
// composite value: only such words may stand before "=" in the language.
func Keyword(word string) bool { return keywords()[word] }

var keywords = sync.OnceValue(func() map[string]bool {
	words := map[string]bool{}
	for _, r := range append([]*Resource{Global}, Resources...) {
		for _, p := range r.Props {
			words[p.Name] = true
			for _, f := range p.Fields {
				words[f.Name] = true
			}
		}
	}
	return words
})

// SPDX-License-Identifier: Apache-2.0

package session

import (
	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/syntax"
	"zones/internal/zone"
)

func (s *Session) add(c *syntax.Command, v *verb) {
	switch {
	case c.Resource == "" && c.Property == "":
		if len(c.Args) == 0 {
			s.usageError(v)
			s.tell(resourceList() + propertyTable())
		} else if _, ok := s.options(c, v, "", true, nil); ok {
			s.usageError(v)
		}
	case !s.canWrite(v.name):
	case (c.Resource == "") == (s.scope == nil):
		s.longUsage(v)
	case s.scope != nil:
		s.addValue(c, v)
	default:
		s.open(schema.Lookup(c.Resource))
	}
}

// open goes into the scope of a new resource.
func (s *Session) open(t *schema.Resource) {
	if !s.load(true) {
		return
	}
	if s.target == zone.Global {
		if !t.Host {
			s.fail("Cannot add a %s resource to the global zone.", t.Name)
			return
		}
		if t == schema.RctlResource || t == schema.CappedMemoryResource {
			s.warnGlobal()
		}
	}
	msg := s.conflict(t)
	if msg != "" {
		s.say("%s", msg)
		if t != schema.SecurityFlagsResource {
			return
		}
	}
	s.scope = &scope{res: config.NewResource(t)}
}

// conflict says why a resource cannot be added beside what is there.
func (s *Session) conflict(t *schema.Resource) string {
	exists := func(t *schema.Resource) string { return "The " + t.Name + " resource already exists." }
	has := func(t *schema.Resource) bool { return s.doc.First(t) != nil }
	if !t.Single {
		return ""
	}
	dedicated := schema.DedicatedCPUResource
	taken, shown := s.doc.AliasTaken(schema.CappedCPUNCPUs.Property)
	switch {
	case t == dedicated && has(dedicated):
		return exists(dedicated)
	case t == dedicated && taken:
		return exists(schema.CappedCPUResource)
	case t == dedicated && s.doc.Text(schema.Pool.Property) != "":
		return "The pool property is already set.  A persistent pool is incompatible with\nthe dedicated-cpu resource."
	case t == schema.CappedCPUResource && has(dedicated):
		return exists(dedicated)
	case t == schema.CappedCPUResource && shown:
		return exists(t)
	case t == schema.CappedCPUResource && taken:
		return t.Name + ": " + config.Incompatible.Error()
	case t == schema.CappedMemoryResource && has(t):
		return "The " + t.Name + " resource or a related resource control already exists."
	case t == schema.SecurityFlagsResource && has(t):
		return exists(t)
	}
	return ""
}

// listProperty finds the property that "add" or "remove" in a resource scope
// means: one that takes several values.
func (s *Session) listProperty(c *syntax.Command, v *verb, also ...*schema.Property) *schema.Property {
	t := s.scopeType()
	p := t.Prop(c.Property)
	some := false
	for _, q := range t.Props {
		takes := q.Shape != schema.Simple
		for _, a := range also {
			takes = takes || q == a
		}
		if takes && q == p {
			return p
		}
		some = some || takes && !q.Quiet // quiet ones are newer than the messages
	}
	if some {
		s.noProperty(v, c.Property)
		return nil
	}
	s.refuse(t.Name, config.NoResourceType)
	s.longUsage(v)
	return nil
}

// addValue adds to a list of the open resource.
func (s *Session) addValue(c *syntax.Command, v *verb) {
	p := s.listProperty(c, v)
	if p == nil {
		return
	}
	items, ok := schema.Value(nil), false
	if p.Shape == schema.List {
		items, ok = s.texts(p, c.Value)
	} else {
		items, ok = s.composites(p, c.Value, v)
	}
	if ok {
		s.scope.res.Append(p, items...)
	}
}

// removeValue takes from a list of the open resource, or empties the default
// router, which has no other way to be emptied.
func (s *Session) removeValue(c *syntax.Command, v *verb) {
	p := s.listProperty(c, v, schema.NetDefrouter.Property)
	if p == nil {
		return
	}
	switch p.Shape {
	case schema.Simple:
		s.scope.res.Clear(p)
	case schema.List:
		if items, ok := s.texts(p, c.Value); ok {
			for _, item := range items {
				s.removeItem(p, item)
			}
		}
	default:
		if c.Value.Form != syntax.Composite {
			s.fail("A complex value was expected here.")
			return
		}
		if item, _, ok := s.composite(p, *c.Value, v); ok {
			s.removeItem(p, item)
		}
	}
}

func (s *Session) removeItem(p *schema.Property, item schema.Item) {
	value, _ := s.scope.res.Get(p)
	for i, have := range value {
		same := len(have) == len(item)
		for j := range item {
			same = same && have[j] == item[j]
		}
		if same {
			rest := append(value[:i:i], value[i+1:]...)
			s.scope.res.Set(p, rest)
			return
		}
	}
	s.refuse(p.Name, config.NoProperty)
}

// inScope refuses what makes sense in a resource scope alone.
func (s *Session) inScope(verb string) bool {
	if s.scope == nil {
		s.fail("The %s command only makes sense in the resource scope.", verb)
		return false
	}
	return true
}

func (s *Session) cancel(c *syntax.Command, v *verb) {
	if _, ok := s.bare(c, v, ""); ok && s.inScope(v.name) {
		s.scope = nil
	}
}

func (s *Session) end(c *syntax.Command, v *verb) {
	if _, ok := s.bare(c, v, ""); !ok || !s.inScope(v.name) || !s.load(true) {
		return
	}
	if problems := s.incomplete(); len(problems) > 0 {
		for _, m := range problems {
			s.fail("%s", m)
		}
		return
	}
	res, old := s.scope.res, s.scope.old
	switch t := res.Type; {
	case t.Computed:
	case t == schema.CappedMemoryResource:
		s.endMemory()
	default:
		if old != nil {
			s.doc.Remove(old)
		}
		s.doc.Add(res)
	}
	s.scope, s.dirty = nil, true
}

// endMemory stores the physical cap; the others are stored already.
func (s *Session) endMemory() {
	if s.scope.old != nil {
		s.doc.Remove(s.scope.old)
	}
	if text := s.scope.res.Text(schema.CappedMemoryPhysical.Property); text != "" {
		s.doc.Add(s.scope.res)
	}
}

// value is the text of a property of the open resource, wherever it is kept.
func (s *Session) value(p *schema.Property) string {
	if p.Alias != nil {
		if s.doc == nil {
			return ""
		}
		return s.doc.Text(p)
	}
	return s.scope.res.Text(p)
}

// incomplete says everything for which the open resource cannot be ended.
func (s *Session) incomplete() []string {
	t := s.scopeType()
	var msgs []string
	for _, p := range t.Props {
		text := s.value(p)
		v, _ := s.scope.res.Get(p)
		switch {
		case p.Shape != schema.Simple:
			if p.Required && len(v) == 0 {
				msgs = append(msgs, "no "+p.Name+" specified")
			}
		case p.Required && text == "":
			msgs = append(msgs, p.Name+" not specified")
		case p.Stage == schema.AtEnd && text != "" && t != schema.AttrResource && t != schema.AdminResource &&
			t != schema.SecurityFlagsResource:
			if err := p.Check(text); err != nil {
				msgs = append(msgs, p.Complaint(string(s.target), text, err))
			}
		}
	}
	msgs = append(msgs, s.faults(t)...)
	if len(msgs) == 0 && s.scope.old == nil {
		if m := s.duplicate(); m != "" {
			msgs = append(msgs, m)
		}
	}
	return msgs
}

// faults makes the checks that look at several properties of the open resource.
func (s *Session) faults(t *schema.Resource) []string {
	res := s.scope.res
	switch t {
	case schema.AttrResource:
		return attrFaults(res)
	case schema.AdminResource:
		return s.doc.AdminProblems(res, s.env.Facts)
	case schema.SecurityFlagsResource:
		return config.SecurityFlagProblems(res)
	case schema.CappedMemoryResource:
		return s.memoryFaults()
	}
	return nil
}

func attrFaults(res *config.Resource) []string {
	var msgs []string
	typ, value := schema.AttrType.Property, schema.AttrValue.Property
	if name := res.Text(schema.AttrName.Property); name != "" {
		if m := schema.AttrNameProblem(name); m != "" {
			msgs = append(msgs, m)
		}
	}
	if t := res.Text(typ); t != "" {
		if err := typ.Check(t); err != nil {
			return append(msgs, typ.Complaint("", t, err))
		}
		if v := res.Text(value); v != "" && !schema.AttrFits(t, v) {
			msgs = append(msgs, "invalid attr value for "+typ.Name+"="+t)
		}
	}
	return msgs
}

func (s *Session) memoryFaults() []string {
	physical := s.value(schema.CappedMemoryPhysical.Property)
	locked := s.value(schema.CappedMemoryLocked.Property)
	if physical == "" && locked == "" && s.value(schema.CappedMemorySwap.Property) == "" {
		if s.scope.old != nil {
			return nil
		}
		return []string{"No property was specified.  One of physical, swap or locked is required."}
	}
	p, err1 := schema.ParseSize(physical)
	l, err2 := schema.ParseSize(locked)
	if physical != "" && locked != "" && err1 == nil && err2 == nil && l > p {
		return []string{"The locked cap must be less than or equal to the physical cap."}
	}
	return nil
}

// duplicate says which resource is there already that the open one would be
// the same as.
func (s *Session) duplicate() string {
	res := s.scope.res
	t := res.Type
	switch {
	case t == schema.NetResource:
		return s.duplicateNet()
	case t == schema.SecurityFlagsResource && s.doc.First(t) != nil:
		return "The " + t.Name + " resource already exists."
	case t.Key == nil:
		return ""
	}
	key := res.Text(t.Key)
	if len(s.doc.Find(t.Key, key)) == 0 {
		return ""
	}
	article := "A"
	if t == schema.AttrResource {
		article = "An"
	}
	return article + " " + t.Name + " resource with the " + t.Key.Name + " '" + key + "' already exists."
}

// duplicateNet looks for the one network interface that has the same link and
// the same addresses, as far as the new one has any.
func (s *Session) duplicateNet() string {
	res := s.scope.res
	found := 0
	for _, n := range s.doc.Find(schema.NetPhysical.Property, res.Text(schema.NetPhysical.Property)) {
		if s.sameNet(n, res) {
			found++
		}
	}
	address, allowed := res.Text(schema.NetAddress.Property), res.Text(schema.NetAllowedAddress.Property)
	if found != 1 || address != "" && allowed != "" {
		return ""
	}
	kind, text := schema.NetAddress.Name, address
	if address == "" {
		kind, text = schema.NetAllowedAddress.Name, allowed
	}
	return "A " + res.Type.Name + " resource with the " + schema.NetPhysical.Name + " '" +
		res.Text(schema.NetPhysical.Property) + "', and " + kind + " '" + text + "' already exists."
}

func (s *Session) sameNet(have, want *config.Resource) bool {
	props := []*schema.Property{s.addressProperty(), schema.NetDefrouter.Property}
	for _, p := range props {
		if text := want.Text(p); text != "" && !schema.SameAddress(have.Text(p), text) {
			return false
		}
	}
	return true
}

// addressProperty is the one that the zone's ip-type calls for.
func (s *Session) addressProperty() *schema.Property {
	if s.doc.Exclusive() {
		return schema.NetAllowedAddress.Property
	}
	return schema.NetAddress.Property
}

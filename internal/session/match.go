// SPDX-License-Identifier: Apache-2.0

package session

import (
	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/syntax"
	"zones/internal/zone"
)

func (s *Session) selects(c *syntax.Command, v *verb) {
	t := schema.Lookup(c.Resource)
	switch {
	case t == nil:
		s.usageError(v)
		s.tell(resourceList() + propertyTable())
	case !s.canWrite(v.name):
	case s.scope != nil:
		s.fail("The select command only makes sense in the global scope.")
	case len(c.Quals) == 0 && (!t.Single || t == schema.SecurityFlagsResource):
		s.usageError(v)
	case !s.load(true):
	case t.Single:
		s.selectSingle(t)
	default:
		if r := s.one(c, v, t); r != nil {
			s.scope = &scope{res: r.Clone(), old: r}
		}
	}
}

func (s *Session) selectSingle(t *schema.Resource) {
	prefix := "select " + t.Name
	if t == schema.CappedMemoryResource {
		s.doc.AdoptPhysicalCap()
	}
	r := s.doc.First(t)
	if t == schema.CappedCPUResource {
		if taken, shown := s.doc.AliasTaken(schema.CappedCPUNCPUs.Property); taken && !shown {
			s.refuse(prefix, config.Incompatible)
			return
		}
	}
	if r == nil {
		reason := config.NoEntry
		if t == schema.CappedMemoryResource {
			reason = config.NoResourceType
		}
		s.refuse(prefix, reason)
		return
	}
	old := s.stored(t)
	open := &scope{res: config.NewResource(t), old: old}
	if old != nil {
		open.res = old.Clone()
	} else {
		open.old = r // nothing of it is stored, yet it is not new
	}
	s.scope = open
}

// stored is the resource of a type as the document has it, without aliases.
func (s *Session) stored(t *schema.Resource) *config.Resource {
	for _, r := range s.doc.Stored() {
		if r.Type == t {
			return r
		}
	}
	return nil
}

// one finds the single resource that the qualifiers of select or remove mean.
func (s *Session) one(c *syntax.Command, v *verb, t *schema.Resource) *config.Resource {
	prefix := v.name + " " + t.Name
	quals, ok := s.qualifiers(c, t)
	if !ok {
		s.refuse(prefix, config.Insufficient)
		return nil
	}
	if s.bothAddresses(quals) {
		s.refuse(prefix, config.InvalidArgument)
		return nil
	}
	found := s.matching(t, quals, schema.Selects)
	switch len(found) {
	case 0:
		s.refuse(prefix, config.NoResource)
	case 1:
		return found[0]
	default:
		s.refuse(prefix, config.Insufficient)
	}
	return nil
}

// qualifier is a property and the text it must have.
type qualifier struct {
	prop *schema.Property
	text string
}

// qualifiers looks the qualifiers of a command up; false when one of them is
// not for this type, which is reported.
func (s *Session) qualifiers(c *syntax.Command, t *schema.Resource) ([]qualifier, bool) {
	var quals []qualifier
	for _, q := range c.Quals {
		p := t.Prop(q.Property)
		if t.Single && t != schema.SecurityFlagsResource {
			continue
		}
		if p == nil || p.Match == schema.NoQualifier {
			s.refuse(q.Property, config.NoPropertyType)
			return nil, false
		}
		if q.Value.Form != syntax.Simple {
			s.fail(simpleExpected)
			return nil, false
		}
		quals = append(quals, qualifier{p, q.Value.Text})
	}
	return quals, true
}

func (s *Session) bothAddresses(quals []qualifier) bool {
	address, allowed := false, false
	for _, q := range quals {
		address = address || q.prop == schema.NetAddress.Property
		allowed = allowed || q.prop == schema.NetAllowedAddress.Property
	}
	return address && allowed
}

// matching returns the resources of a type that all qualifiers match, as far
// as qualifiers are compared at this degree.
func (s *Session) matching(t *schema.Resource, quals []qualifier, degree schema.Match) []*config.Resource {
	var found []*config.Resource
	for _, r := range s.doc.All(t) {
		ok := true
		for _, q := range quals {
			if q.prop.Match >= degree && !s.otherAddress(q.prop, degree) {
				ok = ok && s.sameText(q.prop, r.Text(q.prop), q.text)
			}
		}
		if ok {
			found = append(found, r)
		}
	}
	return found
}

// otherAddress reports whether the property is the address that zones of the
// other ip-type have: it qualifies nothing.
func (s *Session) otherAddress(p *schema.Property, degree schema.Match) bool {
	isAddress := p == schema.NetAddress.Property || p == schema.NetAllowedAddress.Property
	return degree == schema.Selects && isAddress && p != s.addressProperty()
}

func (s *Session) sameText(p *schema.Property, have, want string) bool {
	if p == schema.NetAddress.Property || p == schema.NetAllowedAddress.Property || p == schema.NetDefrouter.Property {
		return schema.SameAddress(have, want)
	}
	return have == want
}

func (s *Session) remove(c *syntax.Command, v *verb) {
	forced := false
	if c.Resource != "" {
		// A word that is no option is passed over here.
		if _, ok := s.options(c, v, "F", true, func(byte, string) { forced = true }); !ok {
			return
		}
	}
	t := schema.Lookup(c.Resource)
	switch {
	case t == nil && c.Property == "":
		s.usageError(v)
		s.tell(resourceList() + propertyTable())
	case !s.canWrite(v.name):
	case (t == nil) == (s.scope == nil):
		s.longUsage(v)
	case s.scope != nil:
		s.removeValue(c, v)
	case s.target == zone.Global && !t.Host:
		s.fail("%s is not a valid resource for the global zone.", t.Name)
	case !s.load(true):
	case t.Single:
		s.removeSingle(t)
	case len(c.Quals) > 0:
		if r := s.one(c, v, t); r != nil {
			s.doc.Remove(r)
			s.dirty = true
		}
	default:
		s.removeAll(t, forced)
	}
}

func (s *Session) removeSingle(t *schema.Resource) {
	prefix := "remove " + t.Name
	if t == schema.CappedCPUResource {
		if err := s.doc.ClearAlias(schema.CappedCPUNCPUs.Property); err != nil {
			s.refuse(prefix, config.NoResourceType)
			return
		}
		s.dirty = true
		return
	}
	if t == schema.CappedMemoryResource {
		s.doc.AdoptPhysicalCap()
	}
	if s.doc.First(t) == nil {
		switch t {
		case schema.DedicatedCPUResource:
			s.refuse(prefix, config.NoEntry)
		case schema.SecurityFlagsResource:
			s.say("%s: %s", prefix, config.NoResourceType)
		default:
			s.refuse(prefix, config.NoResourceType)
		}
		return
	}
	if r := s.stored(t); r != nil {
		s.doc.Remove(r)
	}
	for _, p := range t.Props {
		if p.Alias != nil {
			_ = s.doc.ClearAlias(p) // the rest of the resource need not be there
		}
	}
	s.dirty = true
}

func (s *Session) removeAll(t *schema.Resource, forced bool) {
	all := s.doc.All(t)
	if len(all) == 0 {
		s.refuse("remove "+t.Name, config.NoEntry)
		return
	}
	if len(all) > 1 && !forced {
		if !s.env.Mode.Interactive() {
			s.fail("There are multiple instances of this resource.  Either qualify the resource to\n" +
				"remove a single instance or use the -F option to remove all instances.")
			return
		}
		yes, asked := s.ask("Are you sure you want to remove ALL '" + t.Name + "' resources")
		if !asked {
			s.fail("Resource incomplete.")
		}
		if !yes {
			return
		}
	}
	s.doc.RemoveAll(t)
	s.dirty = true
}

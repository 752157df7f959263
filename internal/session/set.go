// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"strings"
	"unicode/utf8"

	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/store"
	"zones/internal/syntax"
	"zones/internal/zone"
)

const simpleExpected = "A simple value was expected here."

func (s *Session) set(c *syntax.Command, v *verb) {
	forced := false
	if len(c.Args) > 0 {
		if c.Property != schema.ZonePath.Name {
			s.unexpected(c.Property)
			return
		}
		rest, ok := s.options(c, v, "F", false, func(byte, string) { forced = true })
		if !ok {
			return
		}
		if len(rest) > 0 {
			s.usageError(v)
			return
		}
	}
	switch {
	case c.Property == "":
		s.usageError(v)
		s.tell(propertyTable())
	case !s.canWrite(v.name):
	case forced && s.scope != nil:
		s.fail("Only zonepath setting can be forced.")
	case forced && s.env.Store.Root() == "":
		s.fail("Zonepath is changeable only in an alternate root.")
	case s.scope != nil:
		s.setInResource(c, v)
	default:
		s.setGlobal(c, forced)
	}
}

func (s *Session) setGlobal(c *syntax.Command, forced bool) {
	p := schema.Global.Prop(c.Property)
	if p == nil {
		s.fail("Cannot set a resource-specific property from the global scope.")
		return
	}
	if !s.usableHere(p, true) {
		return
	}
	if c.Value.Form != syntax.Simple {
		s.fail(simpleExpected)
		return
	}
	text := c.Value.Text
	if p == schema.ZoneName.Property {
		s.rename(text)
		return
	}
	if !s.load(true) || !s.fits(p, text) {
		return
	}
	switch p {
	case schema.ZonePath.Property:
		if !s.placed(p, &text, forced) {
			return
		}
	case schema.Brand.Property:
		if !s.movable(p, false) {
			return
		}
	case schema.Pool.Property:
		if s.doc.First(schema.DedicatedCPUResource) != nil {
			s.fail("The dedicated-cpu resource already exists.  A persistent pool is incompatible\nwith the dedicated-cpu resource.")
			return
		}
	case schema.IPType.Property:
		if !s.ipTypeAllowed(text) {
			return
		}
	}
	if p.Alias != nil {
		s.setAlias(p, text)
		return
	}
	s.doc.Zone.SetText(p, p.Normal(text))
	s.dirty = true
}

// fits makes the checks of a text that are due when it is set.
func (s *Session) fits(p *schema.Property, text string) bool {
	if p.Stage == schema.AtSet {
		if err := p.Check(text); err != nil {
			s.fail("%s", p.Complaint(string(s.target), text, err))
			return false
		}
	}
	return s.storable(p, text)
}

// storable refuses what a file could not hold: more than the property takes,
// and characters that XML cannot write.
func (s *Session) storable(p *schema.Property, text string) bool {
	switch {
	case p.Max > 0 && len(text) > p.Max:
		s.refuse(p.Name, config.TooLong)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, notXML):
		s.refuse(p.Name, config.InvalidProperty)
	default:
		return true
	}
	return false
}

func notXML(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff
}

// usableHere refuses properties that the global zone does not have.
func (s *Session) usableHere(p *schema.Property, latch bool) bool {
	if s.target != zone.Global || p.Alias != nil || p == schema.Pool.Property {
		return true
	}
	s.say("%s is not a valid property for the global zone.", p.Name)
	s.failed = s.failed || latch
	return false
}

// rename gives the zone another name. Before there is a document this only
// changes what the session works on.
func (s *Session) rename(text string) {
	p := schema.ZoneName.Property
	name := zone.Name(text)
	if name == s.target {
		if s.load(true) {
			s.dirty = true
		}
		return
	}
	reason := error(nil)
	switch st, known := s.state(s.saved); {
	case p.Check(text) != nil || name == zone.Global:
		reason = config.BogusName
	case name != s.saved && s.exists(name):
		reason = config.NameInUse
	case known && st > zone.Installed:
		reason = config.BadState
	}
	if reason != nil {
		s.refuse(text, reason)
		s.tell(NameHelp)
		return
	}
	if s.doc == nil && !s.exists(s.target) {
		s.target, s.saved = name, name
		return
	}
	if !s.load(true) {
		return
	}
	s.doc.SetName(name)
	s.target, s.dirty = name, true
	if s.fresh {
		s.gen, _ = s.env.Store.Generation(name)
	}
}

// NameHelp explains the syntax of zone names.
const NameHelp = `A zone name has 1 to 63 characters: letters, digits, '-', '_' and '.', the first of
them a letter or a digit.  Names beginning with SUNW or SYS, and global, are reserved.
`

func (s *Session) exists(name zone.Name) bool {
	if _, err := s.env.Store.Lookup(name); err == nil {
		return true
	}
	_, _, err := s.env.Store.Load(name)
	return !errors.Is(err, store.ErrNoZone)
}

// movable refuses to change what an installed zone is built on. The refusal
// does not make the session fail: scripts that set the same again rely on it.
func (s *Session) movable(p *schema.Property, forced bool) bool {
	if st, known := s.state(s.saved); known && st >= zone.Installed && !forced {
		s.say("Zone %s already installed; set %s not allowed.", s.target, p.Name)
		return false
	}
	return true
}

// placed checks a zonepath and makes it one below the alternate root.
func (s *Session) placed(p *schema.Property, text *string, forced bool) bool {
	if !s.movable(p, forced) {
		return false
	}
	root := s.env.Store.Root()
	if root == "" {
		return true
	}
	below, ok := strings.CutPrefix(p.Normal(*text), root)
	if !ok || !strings.HasPrefix(below, "/") || len(below) < 2 {
		s.refuse(string(s.target), config.BadProperty)
		return false
	}
	*text = below
	return true
}

func (s *Session) ipTypeAllowed(text string) bool {
	brand := s.doc.Text(schema.Brand.Property)
	rules, known := s.env.Facts.Brand(brand)
	switch {
	case text == schema.IPType.Default:
		return true
	case !known:
		s.fail("%s: unknown brand.", s.target)
		s.hint(brand)
	case rules.SharedOnly:
		s.fail("ip-type cannot be 'exclusive' when brand is '%s'.", brand)
	default:
		return true
	}
	return false
}

// setAlias stores an alias, whose value is in the document at once.
func (s *Session) setAlias(p *schema.Property, text string) {
	if s.target == zone.Global && p != schema.CPUShares.Property {
		s.warnGlobal()
	}
	if err := s.doc.SetAlias(p, p.Normal(text)); err != nil {
		s.refuse(p.Name, err)
		return
	}
	s.dirty = true
}

func (s *Session) warnGlobal() {
	s.say("WARNING: a resource control of the global zone that is too low can lock out\neven root, and then nobody can administer the system.")
}

// setInResource gives a property of the open resource a value.
func (s *Session) setInResource(c *syntax.Command, v *verb) {
	p := s.scopeType().Prop(c.Property)
	if p == nil {
		s.noProperty(v, c.Property)
		return
	}
	if !s.load(true) {
		return
	}
	switch p.Shape {
	case schema.List:
		if items, ok := s.texts(p, c.Value); ok {
			s.scope.res.Set(p, items)
		}
	case schema.Composites:
		if items, ok := s.composites(p, c.Value, v); ok {
			s.scope.res.Set(p, items)
		}
	default:
		if c.Value.Form != syntax.Simple {
			s.fail(simpleExpected)
			return
		}
		s.setSimple(p, c.Value.Text)
	}
}

func (s *Session) setSimple(p *schema.Property, text string) {
	if p == schema.RctlName.Property && p.Check(text) != nil {
		s.say("%s", p.Complaint(string(s.target), text, nil))
		return
	}
	if p == schema.NetPhysical.Property {
		if msg := schema.LinkProblem(text, s.doc.Exclusive()); msg != "" && !s.env.Facts.Link(text) {
			s.fail("%s", msg)
			return
		}
	}
	if p == schema.CappedMemorySwap.Property && s.target == zone.Global {
		if n, err := schema.ParseSize(text); err == nil && n < schema.MinGlobalSwap {
			s.fail("%s value is too small.  It must be at least %s.", p.Name, schema.ExactSize(schema.MinGlobalSwap))
			return
		}
	}
	if !s.fits(p, text) {
		return
	}
	if p == schema.NetDefrouter.Property && strings.Contains(text, "/") {
		s.say("Warning: prefix length in %s is not required and will be ignored. The default host-prefix length will be used", text)
	}
	if p.Alias != nil {
		s.setAlias(p, text)
		return
	}
	s.scope.res.SetText(p, p.Normal(text))
}

// texts makes the items of a list property. One value is as good as a list of
// one.
func (s *Session) texts(p *schema.Property, v *syntax.Value) (schema.Value, bool) {
	list := []syntax.Value{*v}
	if v.Form == syntax.List {
		list = v.List
	}
	items := schema.Value{}
	for _, e := range list {
		if e.Form != syntax.Simple {
			s.fail("A simple or list value was expected here.")
			return nil, false
		}
		if !s.fits(p, e.Text) {
			return nil, false
		}
		items = append(items, schema.Item{e.Text})
	}
	return items, true
}

// composites makes the items of a property of composite values. Those that are
// faulty in themselves do not make the session fail, as ever.
func (s *Session) composites(p *schema.Property, v *syntax.Value, cmd *verb) (schema.Value, bool) {
	list := []syntax.Value{*v}
	if v.Form == syntax.List {
		list = v.List
	}
	items := schema.Value{}
	for _, e := range list {
		if e.Form != syntax.Composite {
			s.fail("A complex or list value was expected here.")
			return nil, false
		}
		item, seen, ok := s.composite(p, e, cmd)
		if !ok {
			return nil, false
		}
		for i, field := range p.Fields {
			if !seen[i] {
				s.say("%s not specified", field.Name)
				return nil, false
			}
			if !s.storable(p, item[i]) {
				return nil, false
			}
		}
		if err := p.CheckItem(item); err != nil {
			s.say("%s", p.Complaint(string(s.target), "", err))
			return nil, false
		}
		items = append(items, item)
	}
	return items, true
}

// composite sorts the parts of a composite value into the order of its fields.
// Missing parts are empty.
func (s *Session) composite(p *schema.Property, v syntax.Value, cmd *verb) (item schema.Item, seen []bool, ok bool) {
	item, seen = make(schema.Item, len(p.Fields)), make([]bool, len(p.Fields))
	for _, part := range v.Fields {
		at := -1
		for i, f := range p.Fields {
			if f.Name == part.Name {
				at = i
			}
		}
		if at < 0 {
			s.noProperty(cmd, p.Name)
			return nil, nil, false
		}
		if seen[at] {
			s.say("%s already specified", part.Name)
			return nil, nil, false
		}
		item[at], seen[at] = part.Text, true
	}
	return item, seen, true
}

func (s *Session) clear(c *syntax.Command, v *verb) {
	switch {
	case c.Property == "":
		s.usageError(v)
		s.tell(propertyTable())
	case !s.canWrite(v.name):
	case s.scope != nil:
		s.clearInResource(c.Property)
	default:
		s.clearGlobal(c.Property, v)
	}
}

func (s *Session) clearGlobal(name string, v *verb) {
	p := schema.Global.Prop(name)
	switch {
	case p == nil:
		s.noProperty(v, name)
	case !s.usableHere(p, true) || !s.load(true):
	case !p.CanClear:
		s.refuse(p.Name, config.ClearDisallowed)
	case p.Alias != nil:
		s.clearAlias(p)
	default:
		s.doc.Zone.Clear(p)
		s.dirty = true
	}
}

func (s *Session) clearAlias(p *schema.Property) {
	if err := s.doc.ClearAlias(p); err != nil {
		s.refuse("clear "+p.Name, err)
		return
	}
	s.dirty = true
}

func (s *Session) clearInResource(name string) {
	p := s.scopeType().Prop(name)
	switch {
	case p == nil || !p.CanClear:
		s.refuse(name, config.ClearDisallowed)
	case !s.load(true):
	case p.Alias != nil:
		s.clearAlias(p)
	default:
		s.scope.res.Clear(p)
		s.dirty = true
	}
}

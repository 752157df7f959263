// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"

	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/syntax"
	"zones/internal/zone"
)

func (s *Session) info(c *syntax.Command, v *verb) {
	p := schema.Global.Prop(c.Property)
	t := schema.Lookup(c.Resource)
	switch {
	case len(c.Args) > 0:
		s.usageError(v)
		s.tell(resourceList() + propertyTable())
		return
	case c.Property != "" && p == nil:
		s.unexpected(c.Property)
		return
	case !s.load(true):
		return
	}
	var b strings.Builder
	switch {
	case s.scope != nil:
		s.writeResource(&b, s.scopeView())
	case p != nil:
		if s.usableHere(p, false) || p == schema.ZoneName.Property {
			s.writeGlobal(&b, p)
		}
	case t != nil:
		s.infoType(&b, c, t)
	default:
		s.infoAll(&b)
	}
	s.show(b.String())
}

func (s *Session) infoAll(b *strings.Builder) {
	global := s.target == zone.Global
	for _, p := range schema.Global.Props {
		if !global || p.Alias != nil || p == schema.Pool.Property || p == schema.ZoneName.Property {
			s.writeGlobal(b, p)
		}
	}
	for _, t := range schema.Resources {
		if global && (!t.Host || t == schema.AdminResource) {
			continue
		}
		for _, r := range s.doc.All(t) {
			s.writeResource(b, r)
		}
	}
}

// infoType shows the resources of one type, or those that match.
func (s *Session) infoType(b *strings.Builder, c *syntax.Command, t *schema.Resource) {
	if s.target == zone.Global && !t.Host {
		s.say("%s is not a valid resource for the global zone.", t.Name)
		return
	}
	quals, ok := s.qualifiers(c, t)
	if !ok {
		return
	}
	if s.bothAddresses(quals) {
		s.refuse("info "+t.Name, config.InvalidArgument)
		return
	}
	found := s.matching(t, quals, schema.Matches)
	if len(found) == 0 && len(c.Quals) > 0 {
		b.WriteString("No such " + t.Name + " resource.\n")
	}
	for _, r := range found {
		s.writeResource(b, r)
	}
}

// writeGlobal prints a property of the zone: aliases in brackets and, like
// other quiet properties, only when set.
func (s *Session) writeGlobal(b *strings.Builder, p *schema.Property) {
	v, set := s.doc.Get(p)
	text := p.Show(v.Text())
	switch {
	case !set && p.Quiet:
		return
	case !set:
		text = p.Default
	case p == schema.ZonePath.Property && s.target != zone.Global:
		text = s.rooted(text)
	}
	line := p.Name + ": " + text
	if p.Alias != nil {
		line = "[" + line + "]"
	}
	b.WriteString(line + "\n")
}

// rooted puts the alternate root before a path.
func (s *Session) rooted(path string) string {
	if path == "" {
		return ""
	}
	return s.env.Store.Root() + path
}

// writeResource prints a resource with a line for each property.
func (s *Session) writeResource(b *strings.Builder, r *config.Resource) {
	if r.Type.Computed && s.scope != nil && len(nonNil(r)) == 0 {
		return
	}
	b.WriteString(r.Type.Name + ":\n")
	for _, p := range r.Type.Props {
		writeProperty(b, r, p)
	}
}

func nonNil(r *config.Resource) []*schema.Property {
	var set []*schema.Property
	for _, p := range r.Type.Props {
		if _, ok := r.Get(p); ok {
			set = append(set, p)
		}
	}
	return set
}

func writeProperty(b *strings.Builder, r *config.Resource, p *schema.Property) {
	v, set := r.Get(p)
	switch {
	case p.Shape == schema.List:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = item[0]
			if strings.Contains(item[0], "=") {
				parts[i] = `"` + item[0] + `"`
			}
		}
		b.WriteString("\t" + p.Name + ": [" + strings.Join(parts, ",") + "]\n")
	case p.Shape == schema.Composites:
		for _, item := range v {
			b.WriteString("\t" + p.Name + ": " + composite(p, item) + "\n")
		}
	case !set && p.Quiet:
	case p.Alias != nil:
		b.WriteString("\t[" + p.Name + ": " + p.Show(v.Text()) + "]\n")
	case p == schema.DedicatedCPUNCPUs.Property:
		b.WriteString("\t" + p.Name + ": " + v.Text() + "\n")
	case !set:
		b.WriteString("\t" + p.Name + " not specified\n")
	default:
		text := p.Show(v.Text())
		if strings.Contains(text, " ") {
			text = `"` + text + `"`
		}
		b.WriteString("\t" + p.Name + ": " + text + "\n")
	}
}

// composite prints a composite value as info shows it.
func composite(p *schema.Property, item schema.Item) string {
	parts := make([]string, len(p.Fields))
	for i, f := range p.Fields {
		text := ""
		if i < len(item) {
			text = item[i]
		}
		if f.Quoted {
			text = `"` + text + `"`
		}
		parts[i] = f.Name + "=" + text
	}
	return "(" + strings.Join(parts, ",") + ")"
}

// scopeView is the open resource with the aliases that are part of it.
func (s *Session) scopeView() *config.Resource {
	r := s.scope.res
	for _, p := range r.Type.Props {
		if p.Alias == nil {
			continue
		}
		if r == s.scope.res {
			r = r.Clone()
		}
		if v, ok := s.doc.Get(p); ok {
			r.Set(p, v)
		}
	}
	return r
}

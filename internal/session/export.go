// SPDX-License-Identifier: Apache-2.0

package session

import (
	"io"
	"os"
	"strings"

	"zones/internal/cli"
	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/syntax"
)

func (s *Session) export(c *syntax.Command, v *verb) {
	file := ""
	rest, ok := s.options(c, v, "f:", false, func(_ byte, arg string) { file = arg })
	switch {
	case !ok:
		return
	case len(rest) > 0:
		s.usageError(v)
		return
	}
	var out io.WriteCloser
	if file != "" {
		var err error
		if out, err = s.output(file); err != nil {
			s.say("opening file %s: %s", file, cli.Reason(err))
			return
		}
		defer out.Close()
	}
	if !s.load(true) {
		return
	}
	text, lost := Export(s.doc, s.env.Store.Root())
	for _, what := range lost {
		s.say("%s: no command can express this value; it is left out.", what)
	}
	if out == nil {
		s.print(text)
	} else if _, err := io.WriteString(out, text); err != nil {
		s.fail("writing file %s: %s", file, cli.Reason(err))
	}
}

func (s *Session) output(file string) (io.WriteCloser, error) {
	if s.env.Create != nil {
		return s.env.Create(file)
	}
	return os.Create(file)
}

// exportOrder is the order of resources: a cap of memory cannot be added when
// an rctl that belongs to it is there.
var exportOrder = []*schema.Resource{
	schema.FSResource, schema.NetResource, schema.DeviceResource, schema.CappedMemoryResource,
	schema.RctlResource, schema.AttrResource, schema.DatasetResource,
	schema.DedicatedCPUResource, schema.AdminResource, schema.SecurityFlagsResource,
}

// Export prints commands that make the configuration. What no command can
// express is named in lost. The zonepath is shown below root.
func Export(c *config.Config, root string) (text string, lost []string) {
	e := exporter{}
	e.line("create -b")
	for _, p := range schema.Global.Props {
		v, set := c.Zone.Get(p)
		switch t := v.Text(); {
		case p == schema.ZoneName.Property || p.Alias != nil:
		case p == schema.AutoBoot.Property, p == schema.IPType.Property:
			if !set {
				t = p.Default
			}
			e.set(p, p.Name, t)
		case !set || t == "":
		case p == schema.ZonePath.Property:
			e.set(p, p.Name, root+t)
		default:
			e.set(p, p.Name, t)
		}
	}
	for _, t := range exportOrder {
		for _, r := range c.Stored() {
			if r.Type == t {
				e.resource(r)
			}
		}
	}
	return e.b.String(), e.lost
}

type exporter struct {
	b    strings.Builder
	lost []string
}

func (e *exporter) line(s string) { e.b.WriteString(s + "\n") }

func (e *exporter) set(p *schema.Property, what, text string) {
	quote := syntax.Quoted
	if p.Bare {
		quote = syntax.Quote
		if p == schema.CappedMemoryPhysical.Property {
			text = exactSize(text)
		}
	}
	quoted, ok := quote(text)
	if !ok {
		e.lost = append(e.lost, what)
		return
	}
	e.line("set " + p.Name + "=" + quoted)
}

func exactSize(text string) string {
	n, err := schema.ParseSize(text)
	if err != nil {
		return text
	}
	return schema.ExactSize(n)
}

func (e *exporter) resource(r *config.Resource) {
	e.line("add " + r.Type.Name)
	for _, p := range r.Type.Props {
		v, set := r.Get(p)
		what := r.Type.Name + " " + p.Name
		switch {
		case !set || p.Alias != nil:
		case p.Shape == schema.Simple:
			if v.Text() != "" {
				e.set(p, what, v.Text())
			}
		default:
			for _, item := range v {
				e.item(p, what, item)
			}
		}
	}
	e.line("end")
}

func (e *exporter) item(p *schema.Property, what string, item schema.Item) {
	if p.Shape == schema.List {
		text := item[0]
		quote := syntax.Quote
		if strings.Contains(text, "=") {
			quote = syntax.Quoted
		}
		quoted, ok := quote(text)
		if !ok {
			e.lost = append(e.lost, what)
			return
		}
		e.line("add " + p.Name + " " + quoted)
		return
	}
	parts := make([]string, len(p.Fields))
	for i, f := range p.Fields {
		quote := syntax.InList
		if f.Quoted {
			quote = syntax.Quoted
		}
		quoted, ok := quote(item[i])
		if !ok {
			e.lost = append(e.lost, what)
			return
		}
		parts[i] = f.Name + "=" + quoted
	}
	e.line("add " + p.Name + " (" + strings.Join(parts, ",") + ")")
}

// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"zones/internal/config"
	"zones/internal/schema"
)

// Bounds of an XML file, beside maxXML. Nothing that is known goes deeper than
// three.
const (
	maxDepth = 32
	maxAttrs = 256
)

// The elements of the schema, by name, below the root element.
var (
	resourceOf = map[string]*schema.Resource{}
	propertyOf = map[string]*schema.Property{} // of resources without an element
)

func init() {
	for _, r := range schema.Resources {
		if r.Element != "" {
			resourceOf[r.Element] = r
			continue
		}
		for _, p := range r.Props {
			if len(p.Attrs) > 0 {
				propertyOf[p.Element] = p
			}
		}
	}
}

// decode reads an XML file. It is not validated against its document type,
// which is never looked at and may declare nothing: elements and attributes
// that the schema does not have are kept as Extra. What the schema has must be
// whole, and no text may stand between elements. Entities other than the five
// of XML do not exist. The error is an *Error for ErrInvalid with a line.
func decode(data []byte) (*config.Config, error) {
	d := &decoder{}
	c, err := d.document(data)
	if err == nil {
		return c, nil
	}
	line := 0
	if d.xml != nil {
		line, _ = d.xml.InputPos()
	}
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		line, err = syntax.Line, errors.New(syntax.Msg)
	}
	return nil, &Error{Reason: ErrInvalid, Line: line, Err: err}
}

type decoder struct {
	xml   *xml.Decoder
	data  string // what xml reads
	start int64  // where the latest token begins in it
}

func (d *decoder) document(data []byte) (*config.Config, error) {
	d.open(data)
	root, err := d.prolog()
	if err != nil {
		return nil, err
	}
	if name := fullName(root.Name); name != schema.Global.Element {
		return nil, fmt.Errorf("root element %s, %s expected", name, schema.Global.Element)
	}
	c := config.New("")
	c.Zone.Clear(schema.ZoneName.Property)
	if err := d.attributes(c.Zone, root); err != nil {
		return nil, err
	}
	err = d.inside(root, func(child xml.StartElement) error { return d.child(c, child) })
	if err != nil {
		return nil, err
	}
	for {
		switch t, err := d.next(); t := t.(type) {
		case nil:
			if err == io.EOF {
				return c, nil
			}
			return nil, err
		case xml.Comment:
		case xml.ProcInst:
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, errors.New("text after the root element")
			}
		default:
			return nil, errors.New("more than one root element")
		}
	}
}

var declaredEncoding = regexp.MustCompile(`^<\?xml[^>]*\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']`)

// open makes the input UTF-8. Of other encodings only ISO 8859-1 is known.
func (d *decoder) open(data []byte) {
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	known := true
	if m := declaredEncoding.FindSubmatch(data[:min(len(data), 200)]); m != nil {
		switch strings.ToLower(string(m[1])) {
		case "utf-8", "us-ascii", "ascii":
		case "iso-8859-1", "latin1":
			latin := make([]rune, len(data))
			for i, b := range data {
				latin[i] = rune(b)
			}
			data = []byte(string(latin))
		default:
			known = false
		}
	}
	d.data = string(data)
	d.xml = xml.NewDecoder(bytes.NewReader(data))
	d.xml.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		if !known {
			return nil, fmt.Errorf("unknown encoding %q", label)
		}
		return in, nil
	}
}

func (d *decoder) next() (xml.Token, error) {
	d.start = d.xml.InputOffset()
	return d.xml.RawToken()
}

// prolog reads up to the root element.
func (d *decoder) prolog() (root xml.StartElement, err error) {
	doctype := false
	for {
		t, err := d.next()
		if err == io.EOF {
			return root, errors.New("no root element")
		}
		if err != nil {
			return root, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			return t, nil
		case xml.Directive:
			if doctype || !bytes.HasPrefix(t, []byte("DOCTYPE ")) {
				return root, errors.New("misplaced declaration")
			}
			if bytes.ContainsAny(t, "[]") {
				return root, errors.New("the document type declares something of its own")
			}
			doctype = true
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return root, errors.New("text before the root element")
			}
		case xml.EndElement:
			return root, fmt.Errorf("unexpected end of element %s", fullName(t.Name))
		}
	}
}

// inside calls f for each child of an element, up to its end. f reads the child
// to its end.
func (d *decoder) inside(parent xml.StartElement, f func(xml.StartElement) error) error {
	for {
		t, err := d.next()
		if err == io.EOF {
			return fmt.Errorf("element %s is not ended", fullName(parent.Name))
		}
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if err := f(t.Copy()); err != nil {
				return err
			}
		case xml.EndElement:
			if t.Name != parent.Name {
				return fmt.Errorf("element %s ended as %s", fullName(parent.Name), fullName(t.Name))
			}
			return nil
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return fmt.Errorf("text in element %s", fullName(parent.Name))
			}
		case xml.Directive:
			return errors.New("misplaced declaration")
		}
	}
}

// raw reads an element to its end and returns its text.
func (d *decoder) raw(e xml.StartElement) (string, error) {
	begin := d.start
	open := []xml.Name{e.Name}
	if err := checkAttrs(e); err != nil {
		return "", err
	}
	for len(open) > 0 {
		t, err := d.next()
		if err == io.EOF {
			return "", fmt.Errorf("element %s is not ended", fullName(e.Name))
		}
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(open) == maxDepth {
				return "", fmt.Errorf("elements go deeper than %d", maxDepth)
			}
			if err := checkAttrs(t); err != nil {
				return "", err
			}
			open = append(open, t.Name)
		case xml.EndElement:
			if last := open[len(open)-1]; t.Name != last {
				return "", fmt.Errorf("element %s ended as %s", fullName(last), fullName(t.Name))
			}
			open = open[:len(open)-1]
		case xml.Directive:
			return "", errors.New("misplaced declaration")
		}
	}
	return d.data[begin:d.xml.InputOffset()], nil
}

// child reads one child of the root element.
func (d *decoder) child(c *config.Config, e xml.StartElement) error {
	name := fullName(e.Name)
	if t := resourceOf[name]; t != nil {
		r := config.NewResource(t)
		c.Add(r)
		if err := d.attributes(r, e); err != nil {
			return err
		}
		return d.inside(e, func(child xml.StartElement) error { return d.item(r, child) })
	}
	prop := propertyOf[name]
	if prop == nil {
		text, err := d.raw(e)
		c.Zone.Extra.Children = append(c.Zone.Extra.Children, text)
		return err
	}
	r := c.First(prop.Resource)
	if r == nil {
		r = config.NewResource(prop.Resource)
		c.Add(r)
	}
	if _, twice := r.Get(prop); twice {
		return fmt.Errorf("element %s again", name)
	}
	values, err := d.fields(r, extraKey(prop, nil), prop.Attrs, e)
	if err != nil {
		return err
	}
	if len(values) == 1 {
		r.SetText(prop, values[0])
	} else {
		r.SetText(prop, prop.Join(values))
	}
	return d.insideItem(r, extraKey(prop, nil), e)
}

// item reads one child of a resource's element.
func (d *decoder) item(r *config.Resource, e xml.StartElement) error {
	for _, prop := range r.Type.Props {
		if prop.Shape == schema.Simple || prop.Element != fullName(e.Name) {
			continue
		}
		names := make([]string, len(prop.Fields))
		for i, f := range prop.Fields {
			names[i] = f.Name
		}
		item, err := d.fields(r, "", names, e)
		if err != nil {
			return err
		}
		key := extraKey(prop, item)
		if _, err := d.fields(r, key, names, e); err != nil {
			return err
		}
		r.Append(prop, item)
		return d.insideItem(r, key, e)
	}
	text, err := d.raw(e)
	r.Extra.Children = append(r.Extra.Children, text)
	return err
}

// fields reads the attributes of an item, all of which must be there. Others are
// kept in r under key, unless that is empty.
func (d *decoder) fields(r *config.Resource, key string, names []string, e xml.StartElement) ([]string, error) {
	if err := checkAttrs(e); err != nil {
		return nil, err
	}
	values, seen := make([]string, len(names)), 0
next:
	for _, a := range e.Attr {
		for i, name := range names {
			if fullName(a.Name) == name {
				values[i] = a.Value
				seen++
				continue next
			}
		}
		if key != "" {
			keep(r, key+fullName(a.Name), a.Value)
		}
	}
	if seen < len(names) {
		return nil, fmt.Errorf("element %s lacks one of the attributes %s", fullName(e.Name), strings.Join(names, ", "))
	}
	return values, nil
}

// insideItem keeps whatever stands inside the element of an item.
func (d *decoder) insideItem(r *config.Resource, key string, e xml.StartElement) error {
	var texts []string
	err := d.inside(e, func(child xml.StartElement) error {
		text, err := d.raw(child)
		texts = append(texts, text)
		return err
	})
	if len(texts) > 0 {
		keep(r, key, strings.Join(texts, ""))
	}
	return err
}

// keep adds an attribute to the Extra of r, unless an equal item had it.
func keep(r *config.Resource, name, value string) {
	for _, a := range r.Extra.Attrs {
		if a.Name == name {
			return
		}
	}
	r.Extra.Attrs = append(r.Extra.Attrs, config.Attr{Name: name, Value: value})
}

// attributes reads the properties of a resource that are attributes of its
// element.
func (d *decoder) attributes(r *config.Resource, e xml.StartElement) error {
	if err := checkAttrs(e); err != nil {
		return err
	}
next:
	for _, a := range e.Attr {
		for _, prop := range r.Type.Props {
			if prop.Attr != "" && prop.Attr == fullName(a.Name) {
				if err := setAttribute(r, prop, a.Value); err != nil {
					return err
				}
				continue next
			}
		}
		r.Extra.Attrs = append(r.Extra.Attrs, config.Attr{Name: fullName(a.Name), Value: a.Value})
	}
	for _, prop := range r.Type.Props {
		if _, set := r.Get(prop); !set && prop.Attr != "" && prop.Required && !mayBeEmpty(prop) {
			return fmt.Errorf("element %s lacks the attribute %s", fullName(e.Name), prop.Attr)
		}
	}
	return nil
}

// mayBeEmpty is for what a template leaves to be set.
func mayBeEmpty(p *schema.Property) bool { return p == schema.ZonePath.Property }

func setAttribute(r *config.Resource, p *schema.Property, text string) error {
	switch p {
	case schema.ZonePath.Property, schema.IPType.Property:
		if text == "" {
			return nil
		}
	}
	switch p {
	case schema.AutoBoot.Property, schema.IPType.Property, schema.AttrType.Property:
		// The document type lists the values of these three.
		if err := p.Check(text); err != nil {
			return fmt.Errorf("attribute %s is %q", p.Attr, text)
		}
	}
	r.SetText(p, text)
	return nil
}

func checkAttrs(e xml.StartElement) error {
	if len(e.Attr) > maxAttrs {
		return fmt.Errorf("element %s has %d attributes, %d allowed", fullName(e.Name), len(e.Attr), maxAttrs)
	}
	for i, a := range e.Attr {
		for _, b := range e.Attr[:i] {
			if a.Name == b.Name {
				return fmt.Errorf("attribute %s again", fullName(a.Name))
			}
		}
	}
	return nil
}

func fullName(n xml.Name) string {
	if n.Space != "" {
		return n.Space + ":" + n.Local
	}
	return n.Local
}

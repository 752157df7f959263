// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"

	"zones/internal/schema"
	"zones/internal/zone"
)

// Facts is what verification must know beyond the configuration.
type Facts interface {
	// Brand gives the rules of a brand; false when it is not installed.
	Brand(name string) (Brand, bool)
	// User reports whether the account exists.
	User(name string) bool
	// Link reports whether the host has a network link of this name.
	Link(name string) bool
}

// Brand is what a brand rules about configurations.
type Brand struct {
	SharedOnly bool // exclusive ip-type is not for this brand
	// Forbids reports whether its zones cannot have such a resource; nil for none.
	Forbids func(*schema.Resource) bool
	// Privileges gives those that its zones have by default, must have and
	// cannot have, named as in limitpriv, by whether they have a network stack
	// of their own; nil when it does not care.
	Privileges func(exclusive bool) (byDefault, required, prohibited []string)
	// Check is the brand's own check; its error is shown to the administrator
	// as it is. Nil when the brand has none.
	Check func(*Config) error
}

// A Report is what verification found.
type Report struct {
	Messages []string // what to tell the administrator, in order
	Reason   Reason   // why the configuration fails; empty when it is fine or Stopped without one
	Stopped  bool     // a check failed after which no other was made
}

// OK reports whether nothing was found.
func (r Report) OK() bool { return r.Reason == "" && !r.Stopped }

func (r *Report) fail(reason Reason, format string, args ...any) {
	r.Messages = append(r.Messages, fmt.Sprintf(format, args...))
	if r.Reason == "" {
		r.Reason = reason
	}
}

// Verify checks the configuration as a whole.
func (c *Config) Verify(f Facts) Report {
	var r Report
	if c.Name() != zone.Global && c.Text(schema.ZonePath.Property) == "" {
		r.fail(ResourceMissing, "%s cannot be empty.", schema.ZonePath.Name)
	}
	brand, known := f.Brand(c.Text(schema.Brand.Property))
	if !known {
		return Report{append(r.Messages, string(c.Name())+": unknown brand.", ""), InvalidDocument, true}
	}
	if brand.Check != nil {
		if err := brand.Check(c); err != nil {
			return Report{append(r.Messages, err.Error()), BrandError, true}
		}
	}
	if msg := c.stops(brand); msg != "" {
		return Report{append(r.Messages, string(c.Name())+": "+msg), "", true}
	}
	c.verifyIDs(&r)
	for _, t := range schema.Resources {
		if brand.Forbids != nil && brand.Forbids(t) && c.First(t) != nil {
			r.fail(SettingsConflict, "%s resources cannot be had with brand %s.", t.Name, c.Text(schema.Brand.Property))
		}
	}
	c.verifyFS(&r)
	c.verifyNet(&r, f)
	c.verifyRctls(&r)
	c.verifyNames(&r)
	c.verifyAdmins(&r, f)
	if fl := c.First(schema.SecurityFlagsResource); fl != nil {
		if msgs := SecurityFlagProblems(fl); len(msgs) > 0 {
			r.Messages = append(r.Messages, msgs...)
			r.Reason = BadProperty
		}
	}
	return r
}

// stops makes the checks after which, when they fail, no other is made.
func (c *Config) stops(b Brand) string {
	list, _, err := schema.LimitPriv.Read(c)
	var bad *schema.PrivilegeError
	if errors.As(err, &bad) {
		return bad.Error()
	}
	if name := c.privilegeFault(list, b); name != "" {
		return (&schema.PrivilegeError{Name: name}).Error()
	}
	if _, set, err := schema.HostID.Read(c); set && err != nil {
		return "invalid " + schema.HostID.Name + ": " + c.Text(schema.HostID.Property)
	}
	if _, set, err := schema.FSAllowed.Read(c); set && err != nil {
		return "invalid " + schema.FSAllowed.Name + ": " + c.Text(schema.FSAllowed.Property)
	}
	return ""
}

// privilegeFault names a privilege that the list lacks and the brand requires,
// or that it has and the brand prohibits.
func (c *Config) privilegeFault(list []schema.Privilege, b Brand) string {
	if len(list) == 0 || b.Privileges == nil {
		return ""
	}
	byDefault, required, prohibited := b.Privileges(c.Exclusive())
	has := func(name string) bool {
		found := false
		for _, p := range list {
			if !p.Linux && p.Covers(name, byDefault) {
				found = !p.Remove
			}
		}
		return found
	}
	for _, name := range required {
		if !has(name) {
			return name
		}
	}
	for _, name := range prohibited {
		if has(name) {
			return name
		}
	}
	return ""
}

// verifyIDs checks that the range of ids ends where ids do.
func (c *Config) verifyIDs(r *Report) {
	for _, p := range []schema.Prop[uint64]{schema.IDBase, schema.IDSize} {
		if _, _, err := p.Read(c); err != nil {
			r.fail(BadProperty, "%s", p.Complaint(string(c.Name()), c.Text(p.Property), err))
			return
		}
	}
	base, set := schema.IDBase.Of(c)
	n, _ := schema.IDSize.Of(c)
	if set && base+n > 1<<32-1 {
		r.fail(BadProperty, "%s and %s: the range goes beyond the last id", schema.IDBase.Name, schema.IDSize.Name)
	}
}

// missing complains of every property in the list that is unset or empty.
func (r *Report) missing(res *Resource, props ...*schema.Property) {
	for _, p := range props {
		v, ok := res.Get(p)
		if !ok || p.Shape == schema.Simple && v.Text() == "" {
			r.fail(PropertyMissing, "%s: %s not specified", res.Type.Name, p.Name)
		}
	}
}

func (c *Config) verifyFS(r *Report) {
	for _, fs := range c.All(schema.FSResource) {
		r.missing(fs, schema.FSDir.Property, schema.FSSpecial.Property, schema.FSType.Property)
	}
}

func (c *Config) verifyNet(r *Report, f Facts) {
	exclusive := c.Exclusive()
	routed, allowed := map[string]bool{}, map[string]bool{}
	var links []string
	for _, n := range c.All(schema.NetResource) {
		link := n.Text(schema.NetPhysical.Property)
		address := n.Text(schema.NetAddress.Property) != ""
		allow := n.Text(schema.NetAllowedAddress.Property) != ""
		r.missing(n, schema.NetPhysical.Property)
		if msg := schema.LinkProblem(link, exclusive); link != "" && msg != "" && !f.Link(link) {
			r.fail(InvalidArgument, "%s", msg)
		}
		if !exclusive {
			r.missing(n, schema.NetAddress.Property)
			if allow {
				r.fail(InvalidArgument, "%s: %s cannot be specified for a shared IP type", n.Type.Name, schema.NetAllowedAddress.Name)
			}
			continue
		}
		if address {
			r.fail(InvalidArgument, "%s: %s cannot be specified for an exclusive IP type", n.Type.Name, schema.NetAddress.Name)
		}
		if n.Text(schema.NetDefrouter.Property) != "" && !routed[link] {
			routed[link] = true
			links = append(links, link)
		}
		allowed[link] = allowed[link] || allow
	}
	for _, link := range links {
		if !allowed[link] {
			r.fail(InvalidArgument, "%s: %s for %s cannot be specified without %s for an exclusive IP type",
				schema.NetResource.Name, schema.NetDefrouter.Name, link, schema.NetAllowedAddress.Name)
			r.Reason = InvalidArgument
		}
	}
}

// Exclusive reports whether the zone has a network stack of its own.
func (c *Config) Exclusive() bool {
	t, _ := schema.IPType.Of(c)
	return t == "exclusive"
}

func (c *Config) verifyRctls(r *Report) {
	for _, rctl := range c.All(schema.RctlResource) {
		r.missing(rctl, schema.RctlName.Property)
		if v, _ := rctl.Get(schema.RctlValue.Property); len(v) == 0 {
			r.fail(PropertyMissing, "%s: no value specified", rctl.Type.Name)
		}
	}
	dedicated := c.First(schema.DedicatedCPUResource) != nil
	shares, limit := schema.CPUShares.Alias.Rctl, schema.CappedCPUNCPUs.Alias.Rctl
	if c.Rctl(shares) != nil {
		if dedicated {
			r.fail(SettingsConflict, "rctl %s and %s are incompatible.", shares, schema.DedicatedCPUResource.Name)
		}
		if class := c.Text(schema.SchedulingClass.Property); class != "" && class != "FSS" {
			r.fail(SettingsConflict, "WARNING: rctl %s and %s=%s are incompatible", shares, schema.SchedulingClass.Name, class)
		}
	}
	if dedicated && c.Rctl(limit) != nil {
		r.fail(SettingsConflict, "rctl %s and the %s are incompatible.", limit, schema.DedicatedCPUResource.Name)
	}
}

func (c *Config) verifyNames(r *Report) {
	for _, a := range c.All(schema.AttrResource) {
		r.missing(a, schema.AttrName.Property, schema.AttrType.Property, schema.AttrValue.Property)
	}
	for _, d := range c.All(schema.DatasetResource) {
		p := schema.DatasetName.Property
		name := d.Text(p)
		r.missing(d, p)
		if name == "" {
			continue
		}
		if err := p.Check(name); err != nil {
			r.fail(BadProperty, "%s", p.Complaint(string(c.Name()), name, err))
		}
	}
}

func (c *Config) verifyAdmins(r *Report, f Facts) {
	for _, a := range c.All(schema.AdminResource) {
		r.missing(a, schema.AdminUser.Property, schema.AdminAuths.Property)
		for _, msg := range c.AdminProblems(a, f) {
			r.fail(BadProperty, "%s", msg)
		}
	}
}

// AdminProblems says what is wrong with the account and the authorizations of
// an admin resource, as far as they are set.
func (c *Config) AdminProblems(a *Resource, f Facts) []string {
	var msgs []string
	if u := a.Text(schema.AdminUser.Property); u != "" && !f.User(u) {
		msgs = append(msgs, "user "+u+" is not a valid username")
	}
	var bad *schema.AuthError
	if _, _, err := schema.AdminAuths.Read(a); a.Text(schema.AdminAuths.Property) != "" && errors.As(err, &bad) {
		msgs = append(msgs, fmt.Sprintf("zone '%s': %s", c.Name(), bad.Error()))
	}
	return msgs
}

// SecurityFlagProblems says what is wrong with security flags. The order of
// checks is that of the original: default, lower, upper, then their relations.
func SecurityFlagProblems(res *Resource) []string {
	var msgs []string
	read := func(p schema.Prop[schema.SecFlags], unset schema.SecFlags) schema.SecFlags {
		f, set, err := p.Read(res)
		switch {
		case !set || res.Text(p.Property) == "":
			return unset
		case err != nil:
			msgs = append(msgs, fmt.Sprintf("%s security flags '%s' are invalid", p.Name, res.Text(p.Property)))
		case f.Delta:
			msgs = append(msgs, fmt.Sprintf("only assignment of security flags is allowed (%s: %s)", p.Name, res.Text(p.Property)))
		}
		return f
	}
	def := read(schema.SecurityFlagsDefault, schema.SecFlags{})
	upper := read(schema.SecurityFlagsUpper, schema.AllSecFlags)
	lower := read(schema.SecurityFlagsLower, schema.SecFlags{})
	if len(msgs) > 0 {
		return msgs
	}
	if !def.Within(upper) {
		msgs = append(msgs, "default secflags must be within the upper limit")
	}
	if !lower.Within(def) && res.Text(schema.SecurityFlagsDefault.Property) != "" {
		msgs = append(msgs, "default secflags must be above the lower limit")
	}
	if !lower.Within(upper) {
		msgs = append(msgs, "lower secflags must be within the upper limit")
	}
	return msgs
}

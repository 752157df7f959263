// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/store"
	"zones/internal/syntax"
	"zones/internal/zone"
)

// origin is what create begins with.
type origin struct {
	force, register bool
	template        string
	path            string // of a detached zone
}

func (s *Session) create(c *syntax.Command, v *verb) {
	from := origin{template: store.DefaultTemplate}
	rest, ok := s.options(c, v, "Fba:t:X", false, func(letter byte, arg string) {
		switch letter {
		case 'F':
			from.force = true
		case 'b':
			from.template = store.BlankTemplate
		case 't':
			from.template = arg
		case 'a':
			from.path = arg
		case 'X':
			from.register = true
		}
	})
	switch {
	case !ok:
	case len(rest) > 0:
		s.usageError(v)
	case !s.canWrite(v.name):
	case from.register:
		s.register()
	case !s.mayReplace(from.force):
	case from.path != "":
		s.createDetached(from.path)
	default:
		s.createFrom(from.template)
	}
}

// mayReplace settles what happens to a zone that is there already. Only what
// is committed counts.
func (s *Session) mayReplace(force bool) bool {
	_, _, err := s.env.Store.Load(s.target)
	if errors.Is(err, store.ErrNoZone) {
		return true
	}
	if err != nil { // what cannot be read may be all that is left of a zone
		s.storeError(string(s.target), err)
		s.say("The file is left as it is; mend it, or remove it with delete -F.")
		return false
	}
	if st, known := s.state(s.target); known && st >= zone.Installed {
		s.say("Zone %s already installed; create not allowed.", s.target)
		return false
	}
	if force {
		s.print("Zone " + string(s.target) + " already exists; overwriting.\n")
		return true
	}
	yes, asked := s.ask("Zone " + string(s.target) + " already exists; create anyway")
	if !asked {
		s.quit("Zone exists, input not from terminal and -F not specified:\ncreate command ignored, exiting.")
	}
	return yes
}

func (s *Session) createFrom(template string) {
	doc, err := s.env.Store.Template(template)
	if err != nil {
		s.storeError(template, err)
		if errors.Is(err, store.ErrNoZone) {
			s.hint(template)
		}
		return
	}
	s.begin(doc)
}

// begin makes doc the document under the name of the target.
func (s *Session) begin(doc *config.Config) {
	doc.SetName(s.target)
	gen, err := s.env.Store.Generation(s.target)
	if err != nil && !errors.Is(err, store.ErrNoZone) {
		s.storeError(string(s.target), err)
		return
	}
	s.doc, s.gen, s.fresh, s.dirty = doc, gen, true, true
	if s.scope != nil {
		s.scope.old = nil // it is not in the new document, so it is added to it
	}
}

func (s *Session) createDetached(path string) {
	// Like a zonepath, the path may be given with the alternate root before it.
	if below, ok := strings.CutPrefix(path, s.env.Store.Root()+"/"); ok {
		path = "/" + below
	}
	root, err := os.Stat(filepath.Join(s.env.Store.Root(), path, "root"))
	if err != nil || !root.IsDir() || !strings.HasPrefix(path, "/") {
		s.say("invalid path to detached zone")
		return
	}
	var doc *config.Config
	for _, name := range []string{"SUNWdetached.xml", "SYSdetached.xml"} {
		doc, err = store.ReadFile(filepath.Join(s.env.Store.Root(), path, name))
		if !errors.Is(err, store.ErrNoZone) {
			break
		}
	}
	switch {
	case errors.Is(err, store.ErrInvalid):
		s.say("Cannot attach to an earlier release of the operating system")
		s.detail(err)
		return
	case err != nil:
		s.say("invalid path to detached zone")
		return
	}
	doc.Zone.SetText(schema.ZonePath.Property, schema.CleanSlashes(path))
	doc.Zone.Extra.Children = withoutInventory(doc.Zone.Extra.Children)
	s.begin(doc)
}

// withoutInventory drops the elements that list what is installed in a zone.
func withoutInventory(children []string) []string {
	var kept []string
	for _, c := range children {
		inventory := false
		for _, name := range []string{"<package", "<patch", "<dev-perm"} {
			inventory = inventory || strings.HasPrefix(strings.TrimSpace(c), name)
		}
		if !inventory {
			kept = append(kept, c)
		}
	}
	return kept
}

// register enters a configuration file that is there already in the index.
func (s *Session) register() {
	if err := s.env.Store.Register(s.target); err != nil {
		s.storeError(string(s.target), err)
		return
	}
	s.doc, s.dirty, s.scope = nil, false, nil
	s.load(true)
}

func (s *Session) deletes(c *syntax.Command, v *verb) {
	force, ok := s.bare(c, v, "F")
	if !ok || !s.canWrite(v.name) {
		return
	}
	st, known := s.state(s.saved)
	if !force {
		if !known {
			s.refuse(string(s.target), config.NoZone)
			return
		}
		yes, asked := s.ask("Are you sure you want to delete zone " + string(s.target))
		if !asked {
			s.quit("Input not from terminal and -F not specified:\ndelete command ignored, exiting.")
		}
		if !yes {
			return
		}
	}
	if !force && st != zone.Configured {
		s.say("Zone %s not in configured state; delete not allowed.  Use -F to force delete.", s.target)
		s.forget()
		return
	}
	if known && st >= zone.Ready {
		s.refuse(string(s.target), config.BadState)
		s.forget()
		return
	}
	err := s.env.Store.Delete(s.saved)
	s.forget()
	switch {
	case errors.Is(err, store.ErrNoZone):
		s.refuse(string(s.target), config.NoZone)
		s.refuse(string(s.target), config.NoZone)
	case err != nil:
		s.storeError(string(s.target), err)
	case s.env.Mode == Terminal:
		s.target, s.saved = "", ""
	}
}

// forget drops the document with its changes and the open resource.
func (s *Session) forget() {
	s.doc, s.dirty, s.scope, s.fresh = nil, false, nil, false
}

func (s *Session) revert(c *syntax.Command, v *verb) {
	force, ok := s.bare(c, v, "F")
	switch {
	case !ok:
		return
	case s.scope != nil:
		s.fail("You can only use the revert command in the global scope; use cancel to\nleave the resource without its changes.")
		return
	case !s.canWrite(v.name):
		return
	case s.doc == nil:
		s.fail("No changes to revert.")
		return
	}
	if !force {
		yes, asked := s.ask("Are you sure you want to revert")
		if !asked {
			s.quit("Input not from terminal and -F not specified:\nrevert command ignored, exiting.")
		}
		if !yes {
			return
		}
	}
	doc, gen, err := s.env.Store.Load(s.saved)
	s.doc, s.fresh = nil, false
	switch {
	case errors.Is(err, store.ErrNoZone):
		s.fail("%s: no such saved zone to revert to.", s.saved)
	case err != nil:
		s.storeError(string(s.saved), err)
	default:
		s.doc, s.gen, s.target = doc, gen, s.saved
	}
}

func (s *Session) exit(c *syntax.Command, v *verb) {
	force, ok := s.bare(c, v, "F")
	if !ok {
		return
	}
	if s.scope != nil && !force {
		yes, asked := s.ask("Resource incomplete; really quit")
		if !asked {
			s.quit("Resource incomplete, input not from terminal and -F not specified:\nexit command ignored, but exiting anyway.")
		}
		if !yes {
			return
		}
	}
	s.exiting, s.exitForced = true, force
}

func (s *Session) commitVerb(c *syntax.Command, v *verb) {
	if _, ok := s.bare(c, v, ""); ok && s.canWrite(v.name) && s.load(true) {
		s.commit()
	}
}

func (s *Session) verifyVerb(c *syntax.Command, v *verb) {
	rest, ok := s.options(c, v, "", true, nil)
	if !ok || !s.canWrite(v.name) || !s.load(true) {
		return
	}
	if len(rest) > 0 && rest[0] == "save" {
		s.commit()
		return
	}
	s.verify(false)
}

// verify checks the document and reports whether it is fine.
func (s *Session) verify(toCommit bool) bool {
	r := s.doc.Verify(s.env.Facts)
	for _, m := range r.Messages {
		s.say("%s", m)
	}
	if s.scope != nil && !r.Stopped {
		s.say("resource specification incomplete")
		if r.Reason == "" {
			r.Reason = config.Insufficient
		}
	}
	if toCommit && r.Reason != "" && !r.Stopped {
		s.say("Zone %s failed to verify", s.target)
	}
	if r.Reason != "" {
		s.refuse(string(s.target), r.Reason)
	}
	if r.Reason == config.InvalidDocument {
		s.hint(s.doc.Text(schema.Brand.Property))
	}
	return r.OK()
}

// commit verifies and stores the document, and reports whether it is stored.
func (s *Session) commit() bool {
	if !s.verify(true) {
		return false
	}
	var err error
	var gen store.Generation
	switch {
	case s.fresh:
		gen, err = s.env.Store.Create(s.doc, s.gen)
	case s.target != s.saved:
		gen, err = s.env.Store.Rename(s.saved, s.doc, s.gen)
	default:
		gen, err = s.env.Store.Save(s.doc, s.gen)
	}
	if err != nil {
		s.storeError(string(s.target), err)
		return false
	}
	s.gen, s.saved, s.dirty, s.fresh = gen, s.target, false, false
	return true
}

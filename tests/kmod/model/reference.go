// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// The reference: what the interface's manual says, in the plainest way, and
// slow. Sets are slices, and everything is computed anew whenever it is asked.

// user is a user namespace; the host's has no parent. Whoever acts is root in
// one.
type user struct {
	id     int
	parent *user
	alive  bool
	ns     *space // where it is attached, or nil
	by     *user  // who attached it there, if that is his own, or nil
}

// space is a delegation namespace; the host's has no parent.
type space struct {
	id       uint64
	title    string
	parent   *space
	owner    *user
	dead     bool
	grants   []string // in the order in which they were made
	attached []*user  // likewise
	holders  map[*user]int
}

// world is everything.
type world struct {
	host   *space
	root   *user
	spaces []*space // but the host's, by id
}

func newWorld() *world {
	w := &world{host: &space{title: "global"}, root: &user{alive: true}}
	w.host.owner = w.root
	return w
}

func (u *user) below(top *user) bool {
	for p := u.parent; p != nil; p = p.parent {
		if p == top {
			return true
		}
	}
	return false
}

func (s *space) below(top *space) bool {
	for p := s.parent; p != nil; p = p.parent {
		if p == top {
			return true
		}
	}
	return false
}

// own is the namespace that a user namespace belongs to, and by which.
func (w *world) own(u *user) (*space, *user) {
	for ; u.parent != nil; u = u.parent {
		if u.ns != nil {
			return u.ns, u
		}
	}
	return w.host, w.root
}

// capable: root of u has all rights in u and below.
func capable(u, in *user) bool { return u == in || in.below(u) }

func (w *world) sees(u *user, s *space) bool {
	own, _ := w.own(u)
	return s == own || s.below(own)
}

func (w *world) mayChange(u *user, s *space) bool {
	own, _ := w.own(u)
	return s.below(own) && capable(u, s.owner)
}

func covers(wide, narrow string) bool {
	return wide == narrow || strings.HasPrefix(narrow, wide+"/")
}

func (w *world) holds(s *space, res string) bool {
	return s == w.host || slices.ContainsFunc(s.grants, func(g string) bool { return covers(g, res) })
}

func (s *space) maximal(g string) bool {
	return !slices.ContainsFunc(s.grants, func(h string) bool { return h != g && covers(h, g) })
}

func (w *world) children(s *space) (cs []*space) {
	for _, c := range w.spaces {
		if c.parent == s {
			cs = append(cs, c)
		}
	}
	return cs
}

// create is a namespace made by u; its id is the module's to say.
func (w *world) create(u *user, title string) (*space, unix.Errno) {
	parent, anchor := w.own(u)
	if !capable(u, anchor) {
		return nil, unix.EPERM
	}
	for _, c := range w.children(parent) {
		if c.title == title {
			return nil, unix.EEXIST
		}
	}
	s := &space{title: title, parent: parent, owner: anchor, holders: map[*user]int{u: 1}}
	w.spaces = append(w.spaces, s)
	return s, 0
}

// open tells whether u gets a descriptor of s, and then whether it holds.
func (w *world) open(u *user, s *space, hold bool) unix.Errno {
	if s.dead || !w.sees(u, s) {
		return unix.ENOENT
	}
	if hold && w.mayChange(u, s) {
		s.holders[u]++
	}
	return 0
}

func (w *world) close(u *user, s *space) {
	if s.holders[u] > 0 {
		s.holders[u]--
		w.settle(s)
	}
}

// settle ends a namespace that nothing keeps.
func (w *world) settle(s *space) {
	n := 0
	for _, held := range s.holders {
		n += held
	}
	if !s.dead && n == 0 && len(s.attached) == 0 {
		w.end(s)
	}
}

func (w *world) end(s *space) {
	for _, c := range w.children(s) {
		w.end(c)
	}
	s.dead = true
	s.grants = nil
	for _, u := range s.attached {
		u.ns = nil
	}
	s.attached = nil
	w.spaces = slices.DeleteFunc(w.spaces, func(x *space) bool { return x == s })
}

func (w *world) mayAttach(u *user, s *space, target *user) unix.Errno {
	own, anchor := w.own(u)
	top := s.owner
	if !w.mayChange(u, s) {
		if s != own || s == w.host || !capable(u, anchor) {
			return unix.EPERM
		}
		top = anchor
	}
	if !target.below(top) {
		return unix.EACCES
	}
	return 0
}

func (w *world) attach(u *user, s *space, target *user) unix.Errno {
	if s.dead || !w.sees(u, s) {
		return unix.ENOENT
	}
	if err := w.mayAttach(u, s, target); err != 0 {
		return err
	}
	if target.ns == s {
		return unix.EEXIST
	}
	if target.ns != nil {
		return unix.EBUSY
	}
	target.ns, target.by = s, nil
	if !w.mayChange(u, s) {
		_, target.by = w.own(u)
	}
	s.attached = append(s.attached, target)
	return 0
}

func (w *world) detach(u *user, s *space, target *user) unix.Errno {
	if s.dead || !w.sees(u, s) {
		return unix.ENOENT
	}
	if err := w.mayAttach(u, s, target); err != 0 {
		return err
	}
	if target.ns != s {
		return unix.ENODATA
	}
	for _, x := range slices.Clone(s.attached) {
		if x.from(target) {
			w.drop(x)
		}
	}
	w.drop(target)
	return 0
}

// from tells whether target attached u, or one that target attached did.
func (u *user) from(target *user) bool {
	return u.by != nil && (u.by == target || u.by.from(target))
}

// drop ends an attachment, and what was created from it.
func (w *world) drop(target *user) {
	s := target.ns
	for _, c := range w.children(s) {
		if c.owner == target {
			w.end(c)
		}
	}
	target.ns = nil
	s.attached = slices.DeleteFunc(s.attached, func(x *user) bool { return x == target })
	w.settle(s)
}

func (w *world) grant(u *user, s *space, res string) unix.Errno {
	switch {
	case s.dead || !w.sees(u, s):
		return unix.ENOENT
	case !w.mayChange(u, s):
		return unix.EPERM
	case !w.holds(s.parent, res):
		return unix.EACCES
	case slices.Contains(s.grants, res):
		return unix.EEXIST
	}
	s.grants = append(s.grants, res)
	return 0
}

func (w *world) revoke(u *user, s *space, res string) unix.Errno {
	switch {
	case s.dead || !w.sees(u, s):
		return unix.ENOENT
	case !w.mayChange(u, s):
		return unix.EPERM
	case !slices.Contains(s.grants, res):
		return unix.ENODATA
	}
	s.grants = slices.DeleteFunc(s.grants, func(g string) bool { return g == res })
	w.prune(s)
	return 0
}

// prune takes from everything below s what its parent does not cover any more.
func (w *world) prune(s *space) {
	for _, c := range w.children(s) {
		c.grants = slices.DeleteFunc(c.grants, func(g string) bool { return !w.holds(s, g) })
		w.prune(c)
	}
}

func (w *world) destroy(u *user, s *space) unix.Errno {
	switch {
	case s.dead || !w.sees(u, s):
		return unix.ENOENT
	case !w.mayChange(u, s):
		return unix.EPERM
	}
	w.end(s)
	return 0
}

// kill is the end of user namespaces: of all below first.
func (w *world) kill(dying []*user) {
	for _, u := range slices.Backward(dying) {
		u.alive = false
		for _, s := range slices.Clone(w.spaces) {
			if s.holders[u] > 0 {
				s.holders[u] = 0
				w.settle(s)
			}
		}
	}
	for _, u := range slices.Backward(dying) {
		if u.ns != nil {
			w.drop(u)
		}
	}
}

// What OpenZFS lets a user namespace do with a dataset.
const (
	nothing = '0'
	sees    = '1'
	writes  = '2'
)

func (u *user) access(dataset string) byte {
	if u.ns == nil {
		return nothing
	}
	r := byte(nothing)
	for _, g := range u.ns.grants {
		if covers(g, dataset) {
			return writes
		}
		if covers(dataset, g) {
			r = sees
		}
	}
	return r
}

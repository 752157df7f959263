// SPDX-License-Identifier: Apache-2.0

package boot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"zones/internal/delegns"
	"zones/internal/mount"
	"zones/internal/nsexec"
	"zones/internal/zfs"
)

// consumer is whose resources datasets are, to the kernel module, and their
// type as file systems.
const consumer = "zfs"

// zfsutil lets a file system be mounted that has a mount point of its own.
const zfsutil = "zfsutil"

// The properties of a dataset that decide over its delegation.
const (
	propZoned = "zoned"
	on        = "on"
)

// notRoot is an owner who is not the host's root, whoever that is.
const notRoot = -1

// A prefetch is what takes long and depends on no step: it is done while the
// first of them are carried out.
type prefetch struct {
	done  chan struct{}
	props map[string]map[string]zfs.Property
	err   error
	owned map[string]error // what came of own, for datasets that were zoned before

	made    chan struct{}
	userns  *os.File // with the zone's id maps
	mapsErr error
}

func (m *Machine) prefetch(ctx context.Context) {
	p := &prefetch{done: make(chan struct{}), owned: map[string]error{}, made: make(chan struct{})}
	m.prepare = p
	z := m.Spec
	maps := nsexec.MapLine(0, z.IDBase, z.IDSize)
	go func() {
		defer close(p.made)
		p.userns, p.mapsErr = nsexec.NewUserns(ctx, maps)
	}()
	go func() {
		defer close(p.done)
		if len(z.Datasets) == 0 {
			return
		}
		owners := map[string]int{}
		var held []*os.File
		for _, name := range z.Datasets {
			// To count is cheaper than to look.
			if n, ok := zfs.Objects(name, 0); ok && n == 0 {
				owners[name] = notRoot
				continue
			}
			// The module answers sooner about what is mounted, and to look at it
			// is cheaper than mounting it for writing.
			tree, uid, err := mount.Look(consumer, name, zfsutil)
			switch {
			case err == nil:
				held, owners[name] = append(held, tree), uid
			case errors.Is(err, unix.EBUSY):
				owners[name] = notRoot
			}
		}
		p.props, p.err = zfs.GetAll(ctx, z.Datasets, zfs.PropType, propZoned)
		for _, tree := range held {
			tree.Close()
		}
		for name, uid := range owners {
			switch {
			case !zoned(p.props[name]): // and may be mounted by the host
			case uid != 0:
				p.owned[name] = nil
			default:
				p.owned[name] = own(name, int(z.IDBase))
			}
		}
	}()
}

// release lets the user namespace go. What zfs does may take for ever, and is
// not waited for.
func (p *prefetch) release() {
	<-p.made
	closeFile(&p.userns)
}

// zoned reports whether a file system cannot be mounted by the host any more.
func zoned(props map[string]zfs.Property) bool {
	return props[zfs.PropType].Value == string(zfs.Filesystem) && props[propZoned].Value == on && props[propZoned].Local()
}

// own gives a dataset fresh from the host, whose root could make no file in it
// otherwise, to the zone's root. One that another zone has mounted is busy, and
// has been that zone's for long.
func own(name string, base int) error {
	if err := mount.Own(consumer, name, base, zfsutil); err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("cannot delegate ZFS dataset '%s': %w", name, err)
	}
	return nil
}

// delegate makes the delegation namespace, attaches the zone's user namespace
// and grants the datasets, all before anything of the zone runs.
func delegate(ctx context.Context, m *Machine) error {
	dev, err := delegns.Open()
	if err != nil {
		return err
	}
	defer dev.Close()
	if len(m.Spec.Datasets) > 0 {
		if err := zfs.Delegable(); err != nil {
			return err
		}
	}
	m.NS, err = dev.Create(string(m.Record.Name))
	if errors.Is(err, delegns.ErrExist) {
		// Of a zone of this name that is gone: one that runs has a record, and
		// the supervisor would not be here.
		if err = destroyNamed(dev, string(m.Record.Name)); err == nil {
			m.NS, err = dev.Create(string(m.Record.Name))
		}
	}
	if err != nil {
		return err
	}
	m.Record.ID = m.NS.ID()
	m.at()
	userns, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", m.Record.PID))
	if err != nil {
		return fmt.Errorf("attach user namespace: %w", err)
	}
	defer userns.Close()
	if err := m.NS.Attach(userns); err != nil {
		return err
	}
	m.at()
	base := int(m.Record.UIDBase)
	return within(ctx, "delegate ZFS datasets", func() error { return m.grant(ctx, base) })
}

// grant hands the datasets over, each after it has been made fit for it.
func (m *Machine) grant(ctx context.Context, base int) error {
	for _, name := range m.Spec.Datasets {
		if err := m.setZoned(ctx, name); err != nil {
			return err
		}
		m.at()
		err, known := m.prepare.owned[name]
		if !known {
			err = own(name, base)
		}
		if err != nil {
			return err
		}
	}
	for _, name := range m.Spec.Datasets {
		m.at()
		if err := m.NS.Grant(consumer, name); err != nil && !errors.Is(err, delegns.ErrExist) {
			return fmt.Errorf("cannot delegate ZFS dataset '%s': %w", name, err)
		}
	}
	return nil
}

// within runs f, which is to do what is said, and gives up on it when ctx ends:
// a call to a pool that is suspended does not come back, and no signal ends it.
func within(ctx context.Context, what string, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("cannot %s: the storage does not answer: %w", what, ctx.Err())
	}
}

// setZoned sees to it that the property is set on the dataset itself: the
// limits of a dataset bind the zone only there. Nothing else of a dataset is
// changed or looked at, as a zone that had it may have set it.
func (m *Machine) setZoned(ctx context.Context, name string) error {
	<-m.prepare.done
	if m.prepare.err != nil {
		return fmt.Errorf("cannot open ZFS dataset '%s': %w", name, m.prepare.err)
	}
	for root, owner := range m.Roots {
		if root == name || strings.HasPrefix(root, name+"/") {
			return fmt.Errorf("cannot delegate ZFS dataset '%s': the root of zone '%s' is on it; delegate another dataset", name, owner)
		}
	}
	props, ok := m.prepare.props[name]
	switch {
	case !ok:
		return fmt.Errorf("cannot open ZFS dataset '%s': %w", name, zfs.ErrNotFound)
	case props[zfs.PropType].Value != string(zfs.Filesystem):
		return fmt.Errorf("cannot open ZFS dataset '%s': it is a %s; delegate the file system above it", name, props[zfs.PropType].Value)
	case zoned(props):
		return nil
	}
	if err := zfs.Set(ctx, name, propZoned+"="+on); err != nil {
		return fmt.Errorf("cannot set '%s' property for ZFS dataset '%s': %w", propZoned, name, err)
	}
	return nil
}

// undelegate revokes everything. That zoned stays set keeps the host from
// mounting what the zone may have prepared for it.
func undelegate(_ context.Context, m *Machine) error {
	if m.NS != nil {
		err := m.NS.Destroy()
		m.NS.Close()
		m.NS = nil
		if err != nil && !errors.Is(err, delegns.ErrNotExist) {
			return err
		}
		return nil
	}
	dev, err := delegns.Open()
	if errors.Is(err, delegns.ErrNotLoaded) {
		// Without the module there is no namespace.
		return nil
	}
	if err != nil {
		return err
	}
	defer dev.Close()
	return destroyNamed(dev, string(m.Record.Name))
}

func destroyNamed(dev *delegns.Device, name string) error {
	ns, err := dev.OpenByName(name, delegns.Hold)
	if errors.Is(err, delegns.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer ns.Close()
	if err := ns.Destroy(); err != nil && !errors.Is(err, delegns.ErrNotExist) {
		return err
	}
	return nil
}

func (m *Machine) adoptDelegation() error {
	dev, err := delegns.Open()
	if err != nil {
		return err
	}
	defer dev.Close()
	m.NS, err = dev.OpenByID(m.Record.ID, delegns.Hold)
	return err
}

// Granted are the datasets that the zone holds now.
func (m *Machine) Granted() []string {
	if m.NS == nil {
		return nil
	}
	grants, err := m.NS.Grants()
	if err != nil {
		return nil
	}
	var names []string
	for _, g := range grants {
		if g.Consumer == consumer {
			names = append(names, g.Resource)
		}
	}
	slices.Sort(names)
	return names
}

// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"zones/internal/brand"
	"zones/internal/config"
	"zones/internal/control"
	"zones/internal/delegns"
	"zones/internal/schema"
	"zones/internal/store"
	"zones/internal/zfs"
	"zones/internal/zone"
)

// CheckBrand fails when a zone's configuration cannot be read or names no
// brand that is installed.
func (m *Manager) CheckBrand(name zone.Name) error {
	cfg, err := m.config(name)
	if err != nil {
		return err
	}
	_, err = brand.Find(m.Store.Root(), cfg.Text(schema.Brand.Property))
	return err
}

// config is a zone's configuration. Of a zone that is active, and must be halted
// whatever became of that, it may be the one that it was booted with.
func (m *Manager) config(name zone.Name) (*config.Config, error) {
	cfg, _, err := m.Store.Load(name)
	if err == nil || m.Store.Root() != "" {
		return cfg, err
	}
	if _, _, none := control.Status(name); none != nil {
		return nil, err
	}
	booted, lost := store.ReadFile(m.Store.SnapshotFile(name))
	if lost != nil {
		return nil, err
	}
	return booted, nil
}

// BrandHint says what to do about a brand that CheckBrand did not find; empty
// when there is nothing to say.
func BrandHint(err error) string {
	var unknown *brand.UnknownError
	if !errors.As(err, &unknown) {
		return ""
	}
	return unknown.Hint()
}

// Verify checks whether a zone can be used on this machine. Everything that is
// wrong is said; any error makes the verb fail.
func (m *Manager) Verify(ctx context.Context, name zone.Name, verb zone.Verb) error {
	if err := m.mend(ctx, name); err != nil {
		return err
	}
	z, err := m.load(name)
	if err != nil {
		return err
	}
	if err := m.answering(z.path()); err != nil {
		return err
	}
	return m.verify(ctx, z, verb)
}

// mend deals with a move of the zone that was cut off, if there is one. What is
// noted below another root has the paths of the system that is there.
func (m *Manager) mend(ctx context.Context, name zone.Name) error {
	if m.Store.Root() != "" {
		return nil
	}
	if !m.noted(name) {
		return nil
	}
	unlock, err := m.lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	// Whoever held the lock may have been the one that moves.
	entry, err := m.Store.Lookup(name)
	if err != nil {
		return named("could not get zone path", reason(err))
	}
	if err := m.answering(entry.Path); err != nil {
		return err
	}
	if err := m.recoverMove(ctx, name, entry.Path); err != nil {
		return aboutf("a move was cut off, and could not be taken back: %v", err)
	}
	return nil
}

// subjectZone is the zone that a verb works on, as it was read at its start.
type subjectZone struct {
	name  zone.Name
	cfg   *config.Config
	entry store.Entry
	state zone.State
}

func (z *subjectZone) path() string { return z.cfg.Text(schema.ZonePath.Property) }

func (m *Manager) verify(ctx context.Context, z *subjectZone, verb zone.Verb) error {
	if err := sameZonepath(z.name, z.path(), z.entry.Path); err != nil {
		return err
	}
	failed := false
	note := func(err error) {
		if err != nil {
			failed = true
		}
	}
	if verb != zone.Attach && verb != zone.AttachUpdate {
		note(m.verifyZonepath(z.name, m.Store.Root()+z.path(), verb, z.state))
	}
	if m.Store.Root() == "" {
		note(m.verifyNetwork(z))
	}
	note(m.verifyMounts(ctx, z.cfg))
	if m.Store.Root() == "" {
		note(m.verifyControls(z.cfg))
		note(m.verifyHost(z, verb))
	}
	_, err := m.hook(ctx, z, brand.VerifyAdm, append([]string{verb.String()}, m.Args...)...)
	var said *HookError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && !errors.As(err, &said):
		// It was not run, so it cannot have said why.
		m.Talk.About(err.Error())
	}
	note(err)
	if m.Store.Root() == "" {
		note(m.verifyDatasets(ctx, z))
	}
	if verb != zone.Mount && verb != zone.ForceMount {
		note(m.verifyPrivileges(z.cfg))
	}
	if !failed {
		return nil
	}
	return &Failure{Form: Plain, Text: fmt.Sprintf("zone %s failed to verify", z.name)}
}

// verifyDatasets checks that each dataset can be delegated and that this
// machine can delegate.
func (m *Manager) verifyDatasets(ctx context.Context, z *subjectZone) error {
	all := z.cfg.All(schema.DatasetResource)
	if len(all) == 0 {
		return nil
	}
	var failed error
	if err := delegation(); err != nil {
		m.Talk.Bare(fmt.Sprintf("could not verify zfs datasets: %v", err))
		failed = errSaid
		if errors.Is(err, zfs.ErrNoDevice) || errors.Is(err, zfs.ErrNoCommand) {
			return failed
		}
	}
	for _, res := range all {
		name := res.Text(schema.DatasetName.Property)
		if err := m.verifyDataset(ctx, name); err != nil {
			m.Talk.Bare(fmt.Sprintf("could not verify zfs dataset %s: %s", name, zfs.Said(err)))
			failed = errSaid
		}
	}
	return failed
}

// delegation reports why this machine cannot delegate datasets at all.
func delegation() error {
	if err := zfs.Available(); err != nil {
		return err
	}
	dev, err := delegns.Open()
	if err != nil {
		return err
	}
	defer dev.Close()
	return zfs.Delegable()
}

var errInherited = errors.New("mountpoint cannot be inherited")

func (m *Manager) verifyDataset(ctx context.Context, name string) error {
	got, err := zfs.Get(ctx, name, zfs.PropType, "mountpoint", "mounted")
	if err != nil {
		return err
	}
	switch zfs.Type(got[zfs.PropType].Value) {
	case zfs.Volume:
		return nil
	case zfs.Filesystem:
	default:
		return fmt.Errorf("it is a %s: delegate the file system that it belongs to", got[zfs.PropType].Value)
	}
	// A pool may have been given explicitly what it would have had anyway.
	if p := got["mountpoint"]; p.Inherited() && p.Value != "/"+name {
		return errInherited
	}
	return m.holdsRoot(name)
}

// holdsRoot fails when the dataset is, or contains, where a zone is installed.
func (m *Manager) holdsRoot(name string) error {
	mounted, err := zfs.MountTable()
	if err != nil {
		return err
	}
	var paths []string
	for _, at := range mounted {
		if within(at.Dataset, name) {
			paths = append(paths, at.Path)
		}
	}
	entries, err := m.Store.Index()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name == zone.Global || e.State < zone.Incomplete {
			continue
		}
		for _, p := range paths {
			if within(e.Path, p) && onMount(e.Path, p, mounted) {
				return fmt.Errorf("zone %s is installed in it, at %s: delegate another dataset", e.Name, e.Path)
			}
		}
	}
	return nil
}

// onMount reports whether path lies on the file system mounted at point and not
// on another ZFS one mounted below it.
func onMount(path, point string, mounted []zfs.Mounted) bool {
	best := ""
	for _, at := range mounted {
		if within(path, at.Path) && len(at.Path) >= len(best) {
			best = at.Path
		}
	}
	return best == point
}

// verifyPrivileges checks limitpriv: each name must be a privilege, and the
// brand has its say in which a zone must have and cannot have.
func (m *Manager) verifyPrivileges(cfg *config.Config) error {
	list, set, err := schema.LimitPriv.Read(cfg)
	var unknown *schema.PrivilegeError
	switch {
	case errors.As(err, &unknown):
		m.Talk.Bare(fmt.Sprintf("unknown privilege %q specified in the zone's privilege set", unknown.Name))
		return errSaid
	case err != nil:
		m.Talk.Bare(fmt.Sprintf("could not verify %s: %v", schema.LimitPriv.Name, err))
		return errSaid
	case !set || len(list) == 0:
		return nil
	}
	b, err := brand.Find(m.Store.Root(), cfg.Text(schema.Brand.Property))
	if err != nil {
		return err
	}
	byDefault, required, prohibited := b.Privileges(cfg.Exclusive())
	var failed error
	for _, name := range required {
		if !granted(list, name, byDefault) {
			m.Talk.Bare(fmt.Sprintf("required privilege %q is missing from the zone's privilege set", name))
			failed = errSaid
		}
	}
	for _, name := range prohibited {
		if granted(list, name, byDefault) {
			m.Talk.Bare(fmt.Sprintf("privilege %q is not permitted within the zone's privilege set", name))
			failed = errSaid
		}
	}
	return failed
}

// granted reports whether a list of privileges has one of illumos in the end:
// later elements overrule earlier ones.
func granted(list []schema.Privilege, name string, byDefault []string) bool {
	has := false
	for _, p := range list {
		many := p.Name == "all" || p.Name == schema.DefaultPrivileges && slices.Contains(byDefault, name)
		if !p.Linux && (p.Name == name || many) {
			has = !p.Remove
		}
	}
	return has
}

// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"zones/internal/brand"
	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/zfs"
	"zones/internal/zone"
)

// Attach takes a zonepath over for a configured zone. With force the brand is
// not asked, and the manifest is kept under another name.
func (m *Manager) Attach(ctx context.Context, name zone.Name, verb zone.Verb, force bool) error {
	if err := m.Verify(ctx, name, verb); err != nil {
		return err
	}
	z, unlock, err := m.begin(ctx, name, verb)
	if err != nil {
		return err
	}
	defer unlock()
	return walk(ctx, verb, []step{
		{"hook", func(ctx context.Context) error {
			if force {
				return nil
			}
			_, err := m.hook(ctx, z, brand.Attach, m.Words...)
			return err
		}},
		{"place", func(ctx context.Context) error { return m.attachable(ctx, z, verb) }},
		{"ids", func(ctx context.Context) error { return m.attachIDs(ctx, z) }},
		{"manifest", func(context.Context) error { return putManifestAway(z.path(), force) }},
		{"installed", func(ctx context.Context) error {
			return m.claimOwn(ctx, z, func() error {
				if _, err := m.Store.SetState(name, zone.Installed); err != nil {
					return subject("could not reset state", reason(err))
				}
				return nil
			})
		}},
		{"post", func(ctx context.Context) error {
			if force {
				return nil
			}
			// A zone that the brand does not take is given back; that is
			// the whole of the failure.
			if _, err := m.hook(ctx, z, brand.PostAttach, m.Words...); err != nil {
				if _, err := m.Store.SetState(name, zone.Configured); err != nil {
					return subject("could not reset state", reason(err))
				}
			}
			return nil
		}},
	})
}

func (m *Manager) attachable(ctx context.Context, z *subjectZone, verb zone.Verb) error {
	if err := m.verifyZonepath(z.name, z.path(), verb, z.state); err != nil {
		return err
	}
	root := filepath.Join(z.path(), rootName)
	if dataset := m.unmountedRoot(ctx, z.path()); dataset != "" {
		return bare("The root of zone %s is the dataset %s, which is not mounted.\nSet its mountpoint to %s, and attach again.",
			z.name, dataset, root)
	}
	info, err := os.Lstat(root)
	if err != nil {
		return subject(root, bareErr(err))
	}
	if !info.IsDir() {
		return bare("%s is not a directory.", root)
	}
	return nil
}

// unmountedRoot is the dataset below that of a zonepath which holds the root,
// as some brands of illumos have it, when nothing is mounted there; else empty.
func (m *Manager) unmountedRoot(ctx context.Context, path string) string {
	if zfs.Available() != nil || !emptyFolder(filepath.Join(path, rootName)) {
		return ""
	}
	home, err := zfs.MountedAt(path)
	if err != nil || home == "" {
		return ""
	}
	below, err := zfs.Children(ctx, home)
	if err != nil {
		return ""
	}
	for _, name := range below {
		rest := strings.TrimPrefix(name, home+"/")
		if rest == rootName || strings.HasPrefix(rest, "ROOT/") {
			return name
		}
	}
	return ""
}

func putManifestAway(path string, keep bool) error {
	detached, attached := filepath.Join(path, detachedName), filepath.Join(path, attachedName)
	if keep {
		err := os.Rename(detached, attached)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return subject(detached, bareErr(err))
		}
		return nil
	}
	for _, file := range []string{detached, attached} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return subject(file, bareErr(err))
		}
	}
	return nil
}

// checkManifestBrand checks that zones of a manifest's brand are known here.
func checkManifestBrand(m *Manager, cfg *config.Config) error {
	name := cfg.Text(schema.Brand.Property)
	_, err := brand.Find(m.Store.Root(), name)
	var unknown *brand.UnknownError
	if errors.As(err, &unknown) {
		text := fmt.Sprintf("could not attach: %v", unknown)
		if hint := unknown.Hint(); hint != "" {
			text += "\n" + hint
		}
		return bare("%s", text)
	}
	return err
}

// looksLikeXML reports whether data begins with an element.
func looksLikeXML(data []byte) bool {
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict = false
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		if _, ok := token.(xml.StartElement); ok {
			return true
		}
	}
}

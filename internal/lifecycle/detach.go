// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"zones/internal/brand"
	"zones/internal/cli"
	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/store"
	"zones/internal/zone"
)

// Detach gives an installed zone up: its configuration is left in the zonepath,
// from which it can be attached here or elsewhere.
func (m *Manager) Detach(ctx context.Context, name zone.Name) error {
	if err := m.Verify(ctx, name, zone.Detach); err != nil {
		return err
	}
	z, unlock, err := m.begin(ctx, name, zone.Detach)
	if err != nil {
		return err
	}
	defer unlock()
	hooked := false
	manifest := filepath.Join(z.path(), detachedName)
	return walk(ctx, zone.Detach, []step{
		{"before", func(ctx context.Context) error {
			_, err := m.hook(ctx, z, brand.PreDetach, m.Words...)
			return err
		}},
		{"hook", func(ctx context.Context) (err error) {
			hooked, err = m.hook(ctx, z, brand.Detach, m.Words...)
			return err
		}},
		{"mounts", func(context.Context) error {
			if hooked {
				return nil
			}
			return m.refuseDetachMounts(z.path())
		}},
		{"manifest", func(context.Context) error {
			if hooked {
				return nil
			}
			return saveManifest(manifest, z.cfg)
		}},
		{"configured", func(context.Context) error {
			if _, err := m.Store.SetState(name, zone.Configured); err != nil {
				// It would be somebody's file when the zone is uninstalled.
				if !hooked {
					_ = os.Remove(manifest)
				}
				return subject("could not reset state", reason(err))
			}
			return nil
		}},
	})
}

// saveManifest writes a manifest. Programs know one reason why it cannot be.
func saveManifest(path string, cfg *config.Config) error {
	if store.WriteFile(path, cfg) != nil {
		return subject("saving the detach manifest failed", store.ErrSave)
	}
	return nil
}

func (m *Manager) refuseDetachMounts(path string) error {
	below, err := mountsBelow(path)
	if err != nil || len(below) == 0 {
		return err
	}
	m.Talk.Bare("These file systems are mounted on subdirectories of " + path + ".")
	for _, at := range below {
		m.Talk.Bare("  " + at)
	}
	return errSaid
}

// WriteManifest writes what Detach would leave behind.
func (m *Manager) WriteManifest(name zone.Name, out io.Writer) error {
	cfg, _, err := m.Store.Load(name)
	if err != nil {
		return subject(string(name), reason(err))
	}
	data, err := store.Document(cfg)
	if err != nil {
		return subject(string(name), reason(err))
	}
	_, err = out.Write(data)
	return err
}

// CheckManifest reads a manifest, from in when the path is "-", and says
// whether a zone of its kind could be attached here.
func (m *Manager) CheckManifest(ctx context.Context, path string, in io.Reader) error {
	data, err := cli.Await(ctx, func() ([]byte, error) { return readManifest(path, in) })
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return bare("could not open manifest path %s: %s", path, cli.Reason(err))
	}
	cfg, err := store.Parse(data)
	// The first releases had neither brands nor another form of this.
	if err == nil && cfg.Text(schema.Brand.Property) != "" && cfg.Text(schema.ZonePath.Property) != "" {
		if err := checkManifestBrand(m, cfg); err != nil {
			return err
		}
		return m.manifestHooks(ctx, cfg, data)
	}
	switch {
	case looksLikeXML(data):
		return bare("Cannot attach to an earlier release of the operating system")
	case path == "-":
		return bare("Input is not a valid XML file")
	}
	return bare("%s is not an XML file", path)
}

// manifestHooks asks the brand of a manifest, in a file of ours, what it makes
// of it. There is neither a zone nor a zonepath to name.
func (m *Manager) manifestHooks(ctx context.Context, cfg *config.Config, data []byte) error {
	const none = "-"
	cfg.Zone.SetText(schema.ZonePath.Property, none)
	z := &subjectZone{name: none, cfg: cfg}
	if _, err := m.hook(ctx, z, brand.VerifyAdm, append([]string{zone.Attach.String()}, m.Args...)...); err != nil {
		return err
	}
	if _, asks, err := m.commandLine(z, brand.Attach, nil); err != nil || !asks {
		return err
	}
	dir, err := os.MkdirTemp("", "zoneadm")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, detachedName)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return err
	}
	_, err = m.hook(ctx, z, brand.Attach, append([]string{"-n", file}, m.Words...)...)
	return err
}

// maxManifest bounds a manifest, which may come from anywhere.
const maxManifest = 16 << 20

func readManifest(path string, in io.Reader) ([]byte, error) {
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, bareErr(err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxManifest+1))
	if err == nil && len(data) > maxManifest {
		err = errors.New("File too large")
	}
	return data, bareErr(err)
}

// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"os"
	"testing"

	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/zone"
	"zones/tests/kill"
)

// TestMain makes this binary one change when the kill test asks for it.
func TestMain(m *testing.M) {
	name, root := kill.Step()
	if name == "" {
		os.Exit(m.Run())
	}
	if err := steps[name](Open(root)); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// steps are the changes, each as a session makes it: load, edit, store.
var steps = map[string]func(*Store) error{
	"commit": func(s *Store) error { return edit(s, "/zones/z2") },
	"move":   func(s *Store) error { return edit(s, "/elsewhere/z2") },
	"create": func(s *Store) error {
		c, err := s.Template(DefaultTemplate)
		if err != nil {
			return err
		}
		c.SetName("z9")
		c.Zone.SetText(schema.ZonePath.Property, "/zones/z9")
		_, err = s.Create(c, Generation{})
		return err
	},
	"overwrite": func(s *Store) error {
		gen, err := s.Generation("z1")
		if err != nil {
			return err
		}
		c := config.New("z1")
		c.Zone.SetText(schema.ZonePath.Property, "/new/z1")
		_, err = s.Create(c, gen)
		return err
	},
	"delete": func(s *Store) error { return s.Delete("z2") },
	"rename": func(s *Store) error {
		c, gen, err := s.Load("z2")
		if err != nil {
			return err
		}
		c.SetName("z7")
		_, err = s.Rename("z2", c, gen)
		return err
	},
	"state": func(s *Store) error {
		_, err := s.SetState("z1", zone.Installed)
		return err
	},
	"zonepath": func(s *Store) error { return s.SetPath("z2", "/moved/z2") },
	// What an earlier session has left is finished by one that only reads.
	"read": func(s *Store) error {
		_, err := s.Index()
		return err
	},
}

func edit(s *Store, path string) error {
	c, gen, err := s.Load("z2")
	if err != nil {
		return err
	}
	c.Zone.SetText(schema.BootArgs.Property, "-m verbose")
	c.Zone.SetText(schema.ZonePath.Property, path)
	_, err = s.Save(c, gen)
	return err
}

// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"errors"
	"fmt"

	"zones/internal/brand"
	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/spec"
	"zones/internal/zone"
)

// verifyHost says what the configuration asks for and this machine cannot do,
// which is an error, or does not honour, which verify warns of.
func (m *Manager) verifyHost(z *subjectZone, verb zone.Verb) error {
	b, err := brand.Find(m.Store.Root(), z.cfg.Text(schema.Brand.Property))
	if err != nil {
		return err
	}
	c := withIDs(z.cfg)
	facts, err := spec.Host(c)
	var made *spec.Zone
	if err == nil {
		made, err = spec.New(c, b, facts)
	}
	var problem *spec.Problem
	switch {
	case errors.As(err, &problem) && problem.Resource:
		// File systems and links have checks, and words, of their own.
		return nil
	case problem != nil:
		m.Talk.Bare(fmt.Sprintf("could not verify %v", problem))
		return errSaid
	case err != nil:
		m.Talk.Bare(fmt.Sprintf("could not verify that this machine can run zones: %v", err))
		return errSaid
	}
	if verb == zone.Verify {
		for _, w := range made.Warnings {
			m.Talk.Bare("WARNING: " + w + ".")
		}
	}
	return nil
}

// withIDs gives a zone that has not been installed a range of ids for the
// time of the check.
func withIDs(c *config.Config) *config.Config {
	if _, ok := schema.IDBase.Of(c); ok {
		return c
	}
	c = c.Clone()
	c.Zone.SetText(schema.IDBase.Property, "1048576")
	return c
}

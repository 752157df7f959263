// SPDX-License-Identifier: Apache-2.0

package boot

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"zones/internal/control"
	"zones/internal/network"
	"zones/internal/zone"
)

// connect gives the zone its links, or the host the zone's addresses. Each is
// written down before it is made.
func connect(_ context.Context, m *Machine) error {
	if m.Spec.Exclusive() {
		return m.addLinks()
	}
	if len(m.Spec.Addresses) == 0 {
		return nil
	}
	others := addressesOfOthers(m.Record.Name)
	for _, a := range m.Spec.Addresses {
		host, _, _ := strings.Cut(a.Address, "/")
		if other := others[host]; other != "" {
			return fmt.Errorf("%s: could not bring network interface up: address in use by zone '%s': %s", a.Link, other, a.Address)
		}
		// What is written down is taken away again, also by who cannot know
		// whether we came to add it.
		if err := a.Free(); err != nil {
			return fmt.Errorf("%s: could not bring network interface up: %w", a.Link, err)
		}
		m.Record.Addresses = append(m.Record.Addresses, a.Link+" "+a.Address)
		if err := m.Record.Save(); err != nil {
			return err
		}
		err := a.Add()
		switch {
		case errors.Is(err, network.ErrNoLink):
			// As on illumos, where zoneadm has said it by then.
			m.log("WARNING: skipping network interface '%s' which may not be present/plumbed in the global zone.", a.Link)
		case err != nil:
			m.Record.Addresses = m.Record.Addresses[:len(m.Record.Addresses)-1]
			return fmt.Errorf("%s: could not bring network interface up: %w", a.Link, err)
		}
	}
	return nil
}

// addressesOfOthers are the addresses that other zones have, on whatever link,
// and whose they are.
func addressesOfOthers(own zone.Name) map[string]zone.Name {
	held := map[string]zone.Name{}
	names, _ := control.Active()
	for _, name := range names {
		r, _, err := control.Status(name)
		if err != nil || name == own {
			continue
		}
		for _, text := range r.Addresses {
			_, address, _ := strings.Cut(text, " ")
			host, _, _ := strings.Cut(address, "/")
			held[host] = name
		}
	}
	return held
}

func (m *Machine) addLinks() error {
	for _, l := range m.Spec.Links { // copies, with what is found out
		m.Record.Links = append(m.Record.Links, string(l.Kind)+" "+l.Name)
		if err := m.Record.Save(); err != nil {
			return err
		}
		if err := l.Add(m.Netns); err != nil {
			return fmt.Errorf("failed to add network device: %w", err)
		}
		m.Record.Links[len(m.Record.Links)-1] = fmt.Sprintf("%s %s %d %d %s", l.Kind, l.Name, l.Index, l.Was.MTU, l.Was.MAC)
	}
	return nil
}

// noted is a link as far as addLinks has written it down.
func noted(text string) network.Link {
	var l network.Link
	_, _ = fmt.Sscanf(text, "%s %s %d %d %s", &l.Kind, &l.Name, &l.Index, &l.Was.MTU, &l.Was.MAC)
	return l
}

func disconnect(_ context.Context, m *Machine) error {
	var errs []error
	for _, text := range m.Record.Addresses {
		link, address, _ := strings.Cut(text, " ")
		errs = append(errs, network.Address{Link: link, Address: address}.Remove())
	}
	for _, text := range m.Record.Links {
		if m.Netns == nil {
			// The namespace is gone, and has sent home what was the host's.
			continue
		}
		errs = append(errs, noted(text).Return(m.Netns))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("unable to unconfigure network interfaces in zone: %w", err)
	}
	m.Record.Addresses, m.Record.Links = nil, nil
	return nil
}

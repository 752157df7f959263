// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"

	"zones/internal/cli"
	"zones/internal/lifecycle"
	"zones/internal/zone"
)

// installOptions are those of the default brand: each source has a letter, and
// p and m belong to a release.
const installOptions = "a:d:s:i:r:p:m:x:"

func install(ctx context.Context, e *env, v *verb, args []string) error {
	if e.zone == "" {
		return misused(v)
	}
	if err := e.here("install"); err != nil {
		return err
	}
	if e.zone == zone.Global {
		return refuse("missing or invalid brand")
	}
	src, err := e.installSource(v, args)
	if err != nil {
		return err
	}
	if err := e.sanity(zone.Install); err != nil {
		return err
	}
	if err := e.readable(&src); err != nil {
		return err
	}
	return e.zones.Install(ctx, e.zone, src)
}

// installSource reads the options, which are the brand's where that installs by
// a command of its own.
func (e *env) installSource(v *verb, args []string) (src lifecycle.Source, err error) {
	var chosen []byte
	var wrong error
	spec := installOptions
	if _, hooked := e.zones.BrandOptions(e.zone, zone.Install); hooked {
		spec = "x:"
	}
	rest, err := e.brandOptions(v, args, spec, func(letter byte, arg string) {
		switch letter {
		case 'p':
			src.Packages = append(src.Packages, strings.FieldsFunc(arg, func(r rune) bool { return r == ',' || r == ' ' })...)
		case 'm':
			src.Mirror = arg
		case 'x':
			src.NoHome = arg == "nodataset"
			if !src.NoHome {
				wrong = misused(v)
			}
		default:
			chosen = append(chosen, letter)
			src.Letter, src.Name = letter, arg
		}
	})
	if err == nil {
		err = wrong
	}
	if err != nil {
		return src, err
	}
	if len(chosen) > 1 {
		return src, refuse("options -%c and -%c name two sources", chosen[0], chosen[1])
	}
	if len(chosen) == 0 && len(rest) > 0 {
		src.Letter, src.Name, rest = 'g', rest[0], rest[1:]
	}
	src.Overlays = rest
	return src, nil
}

// readable keeps a caller other than root from having files of the host
// copied into the zone that he could not read himself: an archive is opened
// with his rights, and what cannot be is root's alone.
func (e *env) readable(src *lifecycle.Source) error {
	if e.caller == 0 {
		return nil
	}
	switch src.Letter {
	case 0, 'r':
		// What a mirror sends is run by root.
		if src.Mirror != "" {
			return refuse("only root may choose a mirror")
		}
	case 'a':
		f, err := cli.OpenAs(e.caller, src.Name)
		if err != nil {
			return &lifecycle.Failure{Form: lifecycle.Subject, Subject: src.Name, Err: err}
		}
		src.File = f
	case 'i':
		if !strings.HasPrefix(src.Name, "docker:") {
			return refuse("only root may install from '%s': use docker:IMAGE", src.Name)
		}
	default:
		return refuse("only root may install from '%s': use an archive, an image of a registry or a release", src.Name)
	}
	if len(src.Overlays) > 0 {
		return refuse("only root may install from several sources")
	}
	return nil
}

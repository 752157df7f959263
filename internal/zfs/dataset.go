// SPDX-License-Identifier: Apache-2.0

package zfs

import (
	"context"
	"errors"
	"strings"
)

// Type is a kind of dataset, as the property of that name has it.
type Type string

// PropType is the property that tells the type.
const PropType = "type"

// The types.
const (
	Filesystem Type = "filesystem"
	Volume     Type = "volume"
	Snap       Type = "snapshot"
)

// A Property is the value of one property and where it comes from.
type Property struct {
	Value  string
	Source string // "local", "default", "inherited from X", "received", "temporary", "-"
}

// Local reports whether the property was set on the dataset itself.
func (p Property) Local() bool { return p.Source == "local" }

// Inherited reports whether an ancestor sets the property.
func (p Property) Inherited() bool { return strings.HasPrefix(p.Source, "inherited") }

// Get reads properties of one dataset or snapshot, numbers in exact form.
func Get(ctx context.Context, name string, props ...string) (map[string]Property, error) {
	if got, ok := quick(name, props); ok {
		return got, nil
	}
	out, err := run(ctx, name, "get", "-Hp", "-o", "property,value,source", strings.Join(props, ","), name)
	if err != nil {
		return nil, err
	}
	got := map[string]Property{}
	for _, line := range lines(out) {
		if f := strings.SplitN(line, "\t", 3); len(f) == 3 {
			got[f[0]] = Property{f[1], f[2]}
		}
	}
	return got, nil
}

// GetAll reads properties of several datasets by one call. One that does not
// exist is missing from the answer.
func GetAll(ctx context.Context, names []string, props ...string) (map[string]map[string]Property, error) {
	got := map[string]map[string]Property{}
	var slow []string
	for _, name := range names {
		if one, ok := quick(name, props); ok {
			got[name] = one
		} else {
			slow = append(slow, name)
		}
	}
	if names = slow; len(names) == 0 {
		return got, nil
	}
	args := append([]string{"get", "-Hp", "-o", "name,property,value,source", strings.Join(props, ",")}, names...)
	out, err := run(ctx, strings.Join(names, " "), args...)
	if errors.Is(err, ErrNotFound) {
		// The output of the others is lost with the error: one by one, then.
		for _, name := range names {
			one, err := Get(ctx, name, props...)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			got[name] = one
		}
		return got, nil
	}
	if err != nil {
		return nil, err
	}
	for _, line := range lines(out) {
		if f := strings.SplitN(line, "\t", 4); len(f) == 4 {
			if got[f[0]] == nil {
				got[f[0]] = map[string]Property{}
			}
			got[f[0]][f[1]] = Property{f[2], f[3]}
		}
	}
	return got, nil
}

// Local lists the properties that are set on the dataset itself, its user
// properties among them, as "NAME=VALUE" with numbers in exact form.
func Local(ctx context.Context, name string) ([]string, error) {
	out, err := run(ctx, name, "get", "-Hp", "-s", "local", "-o", "property,value", "all", name)
	if err != nil {
		return nil, err
	}
	var props []string
	for _, line := range lines(out) {
		if prop, value, ok := strings.Cut(line, "\t"); ok {
			props = append(props, prop+"="+value)
		}
	}
	return props, nil
}

// Value reads one property.
func Value(ctx context.Context, name, prop string) (string, error) {
	got, err := Get(ctx, name, prop)
	return got[prop].Value, err
}

// TypeOf tells what a dataset is, or fails with ErrNotFound.
func TypeOf(ctx context.Context, name string) (Type, error) {
	value, err := Value(ctx, name, "type")
	return Type(value), err
}

// Exists reports whether there is a dataset or snapshot of this name.
func Exists(ctx context.Context, name string) bool {
	_, err := TypeOf(ctx, name)
	return err == nil
}

// Set sets properties, each as "name=value".
func Set(ctx context.Context, name string, props ...string) error {
	_, err := run(ctx, name, append(append([]string{"set"}, props...), name)...)
	return err
}

// Inherit takes a local value of a property away.
func Inherit(ctx context.Context, name, prop string) error {
	_, err := run(ctx, name, "inherit", prop, name)
	return err
}

// Create makes a file system with properties as "name=value" and mounts it as
// these say.
func Create(ctx context.Context, name string, props ...string) error {
	_, err := run(ctx, name, append(options([]string{"create"}, props), name)...)
	return err
}

// Destroy removes a dataset that has no children, or a snapshot.
func Destroy(ctx context.Context, name string) error {
	_, err := run(ctx, name, "destroy", name)
	return err
}

// DestroyAll removes a dataset with its children and snapshots; clones of them
// that live elsewhere make it fail.
func DestroyAll(ctx context.Context, name string) error {
	_, err := run(ctx, name, "destroy", "-r", name)
	return err
}

// Mount mounts a file system at its mountpoint.
func Mount(ctx context.Context, name string) error {
	_, err := run(ctx, name, "mount", name)
	return err
}

// Snapshot makes dataset@snap with user properties as "name=value".
func Snapshot(ctx context.Context, snapshot string, props ...string) error {
	_, err := run(ctx, snapshot, append(options([]string{"snapshot"}, props), snapshot)...)
	return err
}

// With lists all snapshots and file systems of the machine whose user property
// has a value, which may be inherited.
func With(ctx context.Context, prop, value string) ([]SnapshotInfo, error) {
	out, err := run(ctx, "", "list", "-H", "-t", "snapshot,filesystem", "-o", "name,clones,"+prop)
	if err != nil {
		return nil, err
	}
	var all []SnapshotInfo
	for _, line := range lines(out) {
		f := strings.Split(line, "\t")
		if len(f) != 3 || f[2] != value {
			continue
		}
		all = append(all, snapshotInfo(f[0], f[1]))
	}
	return all, nil
}

func snapshotInfo(name, clones string) SnapshotInfo {
	info := SnapshotInfo{Name: name}
	if clones != "" && clones != "-" {
		info.Clones = strings.Split(clones, ",")
	}
	return info
}

// Clone makes a file system out of a snapshot, with properties as
// "name=value".
func Clone(ctx context.Context, snapshot, name string, props ...string) error {
	_, err := run(ctx, name, append(options([]string{"clone"}, props), snapshot, name)...)
	return err
}

// Promote makes a clone the owner of the snapshot it came from.
func Promote(ctx context.Context, name string) error {
	_, err := run(ctx, name, "promote", name)
	return err
}

// Rename gives a dataset or snapshot another name.
func Rename(ctx context.Context, from, to string) error {
	_, err := run(ctx, from, "rename", from, to)
	return err
}

// Children lists the datasets below a dataset, itself excluded, at any depth.
func Children(ctx context.Context, name string) ([]string, error) {
	out, err := run(ctx, name, "list", "-H", "-r", "-t", "filesystem,volume", "-o", "name", name)
	if err != nil {
		return nil, err
	}
	all := lines(out)
	if len(all) > 0 {
		all = all[1:]
	}
	return all, nil
}

// Names lists the file systems and volumes of all imported pools.
func Names(ctx context.Context) ([]string, error) {
	out, err := run(ctx, "", "list", "-H", "-t", "filesystem,volume", "-o", "name")
	if err != nil {
		return nil, err
	}
	return lines(out), nil
}

// A Snapshot's name, its clones and the order of its making.
type SnapshotInfo struct {
	Name   string // dataset@snap
	Clones []string
}

// Snapshots lists the snapshots of one dataset, not of its children, the
// oldest first.
func Snapshots(ctx context.Context, name string) ([]SnapshotInfo, error) {
	out, err := run(ctx, name, "list", "-H", "-d", "1", "-t", "snapshot", "-s", "createtxg",
		"-o", "name,clones", name)
	if err != nil {
		return nil, err
	}
	var all []SnapshotInfo
	for _, line := range lines(out) {
		snap, clones, _ := strings.Cut(line, "\t")
		all = append(all, snapshotInfo(snap, clones))
	}
	return all, nil
}

func options(args, props []string) []string {
	for _, p := range props {
		args = append(args, "-o", p)
	}
	return args
}

func lines(out string) []string {
	out = strings.TrimSuffix(out, "\n")
	if out == "" {
		return nil
	}
	return strings.Split(out, "\n")
}

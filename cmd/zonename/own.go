// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"zones/internal/delegns"
	"zones/internal/zone"
)

const global = "global"

// ownName asks the module. Without the module there is no zone but the host.
func ownName() (string, error) {
	dev, err := delegns.Open()
	if errors.Is(err, delegns.ErrNotLoaded) {
		return withoutDevice("/sys/module/delegns", "/proc/delegns")
	}
	if err != nil {
		return "", err
	}
	defer dev.Close()
	self, err := dev.Self()
	if err != nil {
		return "", err
	}
	defer self.Close()
	info, err := self.Info(false)
	if err != nil {
		return "", err
	}
	if info.ID == 0 {
		return global, nil
	}
	return info.Name, nil
}

var errHidden = errors.New("the module is loaded and cannot be asked")

// withoutDevice finds the name where /dev lacks the device: a zone may have
// removed it, or a program given itself another /dev.
func withoutDevice(module, list string) (string, error) {
	raw, err := os.ReadFile(list)
	if err == nil {
		return firstName(string(raw))
	}
	if _, serr := os.Stat(module); errors.Is(serr, fs.ErrNotExist) && errors.Is(err, fs.ErrNotExist) {
		return global, nil
	}
	return "", errHidden
}

// firstName reads /proc/delegns: a heading that names the columns, and then a
// namespace a line, the reader's own first.
func firstName(list string) (string, error) {
	heading, rest, _ := strings.Cut(list, "\n")
	own, _, _ := strings.Cut(rest, "\n")
	columns, values := strings.Fields(strings.ToLower(heading)), strings.Fields(own)
	id, name := slices.Index(columns, "id"), slices.Index(columns, "name")
	if id < 0 || name < 0 || id >= len(values) || name >= len(values) {
		return "", errHidden
	}
	if values[id] == "0" {
		return global, nil
	}
	parsed, err := zone.ParseName(values[name])
	return string(parsed), err
}

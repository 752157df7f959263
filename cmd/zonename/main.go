// SPDX-License-Identifier: Apache-2.0

// Command zonename prints the name of the zone that it runs in.
package main

import (
	"errors"
	"io/fs"
	"os"

	"zones/internal/cli"
	"zones/internal/delegns"
)

func main() {
	speaker := &cli.Speaker{Out: os.Stdout, Err: os.Stderr}
	name, err := ownName()
	if err != nil {
		speaker.Bare("could not determine zone name")
		os.Exit(cli.ExitError)
	}
	speaker.Print(name)
}

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

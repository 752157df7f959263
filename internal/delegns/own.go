// SPDX-License-Identifier: Apache-2.0

package delegns

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Host is what the host's own namespace is called; its id is 0.
const Host = "global"

// Own gives the id and the name of the namespace that this process is in.
// Without the module there is none but the host's. A zone that has no device
// is told by /proc; when that cannot be read either the answer is an error.
func Own() (id uint64, name string, err error) {
	dev, err := Open()
	if errors.Is(err, ErrNotLoaded) {
		return withoutDevice("/sys/module/delegns", "/proc/delegns")
	}
	if err != nil {
		return 0, "", err
	}
	defer dev.Close()
	self, err := dev.Self()
	if err != nil {
		return 0, "", err
	}
	defer self.Close()
	info, err := self.Info(false)
	return info.ID, info.Name, err
}

var errHidden = errors.New("the module is loaded and cannot be asked")

// withoutDevice finds them where /dev lacks the device: a zone may have removed
// it, or a program given itself another /dev.
func withoutDevice(module, list string) (id uint64, name string, err error) {
	raw, err := os.ReadFile(list)
	if err == nil {
		return firstLine(string(raw))
	}
	if _, serr := os.Stat(module); errors.Is(serr, fs.ErrNotExist) && errors.Is(err, fs.ErrNotExist) {
		return 0, Host, nil
	}
	return 0, "", errHidden
}

// firstLine reads /proc/delegns: a heading that names the columns, and then a
// namespace a line, the reader's own first.
func firstLine(list string) (id uint64, name string, err error) {
	heading, rest, _ := strings.Cut(list, "\n")
	own, _, _ := strings.Cut(rest, "\n")
	columns, values := strings.Fields(strings.ToLower(heading)), strings.Fields(own)
	at, called := slices.Index(columns, "id"), slices.Index(columns, "name")
	if at < 0 || called < 0 || at >= len(values) || called >= len(values) {
		return 0, "", errHidden
	}
	name = values[called]
	if id, err = strconv.ParseUint(values[at], 10, 64); err != nil || strings.IndexFunc(name, notInNames) >= 0 {
		return 0, "", errHidden
	}
	return id, name, nil
}

// notInNames keeps out what is no name if somebody mounted another file there.
func notInNames(r rune) bool { return r <= ' ' || r > '~' }

// SPDX-License-Identifier: Apache-2.0

// Package zone holds the words every other package speaks of zones in: the
// name, the UUID, the state, the table of what each verb may do in each state,
// and their errors. It knows no file and no kernel.
package zone

import (
	"fmt"
	"strings"
)

// Name is a zone's name: 1 to 63 ASCII letters, digits, '-', '_' or '.', the
// first a letter or digit. Names are case-sensitive.
type Name string

// Global is the name of the host itself.
const Global Name = "global"

// Slice is the cgroup below which every zone has its own, of the zone's name.
const Slice = "zones.slice"

// MaxName is the longest name in bytes; the kernel module has the same bound.
const MaxName = 63

// ParseName checks s and returns it as a Name, or a *NameError. "global" is a
// valid name here; who may not take it says so itself.
func ParseName(s string) (Name, error) {
	if s == "" || len(s) > MaxName || !alnum(s[0]) {
		return "", &NameError{s}
	}
	for i := 1; i < len(s); i++ {
		if !alnum(s[i]) && !strings.ContainsRune("-_.", rune(s[i])) {
			return "", &NameError{s}
		}
	}
	return Name(s), nil
}

func alnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// Template reports whether n is one of the names kept for templates, which
// are never zones: those beginning with SUNW, or SYS.
func (n Name) Template() bool {
	return strings.HasPrefix(string(n), "SUNW") || strings.HasPrefix(string(n), "SYS")
}

// NameError is a string that is no zone name.
type NameError struct{ Name string }

func (e *NameError) Error() string { return fmt.Sprintf("%s: Bogus zone name", e.Name) }

// SunReserved reports whether n is one of the names that begin with SUNW, which
// no verb but list touches.
func (n Name) SunReserved() bool { return strings.HasPrefix(string(n), "SUNW") }

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
)

// localeFiles are where systems say what language their users are spoken to in.
var localeFiles = []string{"etc/default/locale", "etc/locale.conf"}

// maxLocale bounds how many variables are taken from such a file.
const maxLocale = 16

// locale is the language of the zone, for a login: nobody's own comes with him.
func (r *zoneRoot) locale() []string {
	for _, file := range localeFiles {
		if text, err := r.read(file); err == nil {
			return parseLocale(text)
		}
	}
	return nil
}

// parseLocale takes the variables about the language, and what can be the name of
// one, from the lines of such a file.
func parseLocale(text string) []string {
	var env []string
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if !ok || name != "LANG" && name != "LANGUAGE" && !strings.HasPrefix(name, "LC_") || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") != "" {
			continue
		}
		if n := len(value); n >= 2 && value[0] == value[n-1] && (value[0] == '"' || value[0] == '\'') {
			value = value[1 : n-1]
		}
		if strings.Trim(value, accountLetters+"@:") != "" || len(value) > 64 {
			continue
		}
		env = slices.DeleteFunc(env, func(old string) bool { return strings.HasPrefix(old, name+"=") })
		if env = append(env, name+"="+value); len(env) == maxLocale {
			break
		}
	}
	return env
}

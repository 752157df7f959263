// SPDX-License-Identifier: Apache-2.0

package spec

import "strings"

// Matches is fnmatch(3) without flags, as device resources are read: a star
// crosses slashes.
func Matches(pattern, name string) bool {
	p, n := 0, 0
	star, from := -1, 0 // the last star, and where what follows it was tried
	for n < len(name) {
		if p < len(pattern) && pattern[p] == '*' {
			star, from = p, n
			p++
			continue
		}
		if width, ok := matchOne(pattern[p:], name[n]); ok {
			p, n = p+width, n+1
			continue
		}
		if star < 0 {
			return false
		}
		from++
		p, n = star+1, from
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// matchOne tells whether a character matches the first element of a pattern,
// and how long that is.
func matchOne(pattern string, c byte) (width int, ok bool) {
	switch {
	case pattern == "":
		return 0, false
	case pattern[0] == '?':
		return 1, true
	case pattern[0] == '\\' && len(pattern) > 1:
		return 2, pattern[1] == c
	case pattern[0] == '[':
		if width, ok = matchSet(pattern, c); width > 0 {
			return width, ok
		}
	}
	return 1, pattern[0] == c
}

// sets are the named ones, as pairs of first and last characters.
var sets = map[string]string{
	"[:alpha:]": "azAZ", "[:digit:]": "09", "[:alnum:]": "azAZ09", "[:lower:]": "az", "[:upper:]": "AZ", "[:xdigit:]": "09afAF",
	"[:punct:]": "!/:@[`{~", "[:space:]": "\t\r  ", "[:blank:]": "\t\t  ", "[:cntrl:]": "\x00\x1f\x7f\x7f", "[:graph:]": "!~", "[:print:]": " ~",
}

// matchSet reads a set in brackets; the width is 0 when it has no end.
func matchSet(pattern string, c byte) (width int, ok bool) {
	i, found := 1, false
	negated := strings.HasPrefix(pattern[i:], "!") || strings.HasPrefix(pattern[i:], "^")
	if negated {
		i++
	}
	for begin := i; i < len(pattern); {
		if pattern[i] == ']' && i > begin {
			return i + 1, found != negated
		}
		if name, _, closed := strings.Cut(pattern[i:], ":]"); closed && sets[name+":]"] != "" {
			for pairs := sets[name+":]"]; pairs != ""; pairs = pairs[2:] {
				found = found || pairs[0] <= c && c <= pairs[1]
			}
			i += len(name) + 2
			continue
		}
		var first, last byte
		first, i = setMember(pattern, i)
		last = first
		if i+1 < len(pattern) && pattern[i] == '-' && pattern[i+1] != ']' {
			last, i = setMember(pattern, i+1)
		}
		found = found || first <= c && c <= last
	}
	return 0, false
}

// setMember is the character at i, and where the next one is.
func setMember(pattern string, i int) (c byte, next int) {
	if pattern[i] == '\\' && i+1 < len(pattern) {
		i++
	}
	return pattern[i], i + 1
}

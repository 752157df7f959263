// SPDX-License-Identifier: Apache-2.0

package syntax

import "strings"

// Quote makes a text one token, with quotes only where it needs them. False
// means that no token has this text: one with a double quote, or with a
// newline that is not its last character.
func Quote(s string) (string, bool) {
	if s != "" && !strings.ContainsAny(s, atTop) {
		return s, true
	}
	return Quoted(s)
}

// Quoted makes a text one token in quotes. A text that ends in a newline has
// no closing quote: the newline closes it, and the command needs another.
func Quoted(s string) (string, bool) {
	body, newline := strings.CutSuffix(s, "\n")
	if strings.ContainsAny(body, "\"\n") {
		return "", false
	}
	if newline {
		return `"` + s, true
	}
	return `"` + s + `"`, true
}

// InList is Quote for a token that stands in a list or a composite value,
// where commas separate.
func InList(s string) (string, bool) {
	if strings.Contains(s, ",") {
		return Quoted(s)
	}
	return Quote(s)
}

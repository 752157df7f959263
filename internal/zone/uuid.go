// SPDX-License-Identifier: Apache-2.0

package zone

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
)

// UUID identifies one installation of a zone. The zero value means none and
// prints as the empty string.
type UUID [16]byte

// NewUUID makes a random UUID: version 4, variant 1 of RFC 9562, section 5.4.
func NewUUID() UUID {
	var u UUID
	// crypto/rand.Read never fails since Go 1.24: it ends the program instead.
	_, _ = rand.Read(u[:])
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

// ParseUUID reads the 36-character form in either case. The empty string is
// the zero UUID.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	if s == "" {
		return u, nil
	}
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return UUID{}, fmt.Errorf("malformed UUID %q", s)
	}
	for i, at := range uuidBytes {
		high, low := nibble(s[at]), nibble(s[at+1])
		if high|low > 0xf {
			return UUID{}, fmt.Errorf("malformed UUID %q", s)
		}
		u[i] = high<<4 | low
	}
	return u, nil
}

// uuidBytes is where each byte stands in the text form.
var uuidBytes = [...]int{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34}

// nibble is the value of a hexadecimal digit, 0xff of anything else.
func nibble(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}

// IsZero reports whether u is no UUID.
func (u UUID) IsZero() bool { return u == UUID{} }

func (u UUID) String() string {
	if u.IsZero() {
		return ""
	}
	h := hex.EncodeToString(u[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

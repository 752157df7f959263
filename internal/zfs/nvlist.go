// SPDX-License-Identifier: Apache-2.0

package zfs

import (
	"encoding/binary"
	"strings"
)

// An nvlist is one of the module's lists of names and values: numbers as
// uint64, strings, and lists. Values of other types are left out.
type nvlist map[string]any

// number is the value of a property that is a number.
func (l nvlist) number(prop string) (uint64, bool) {
	set, _ := l[prop].(nvlist)
	n, ok := set["value"].(uint64)
	return n, ok
}

// A list in the module's own encoding is a header and pairs, ended by a pair
// of size zero. A pair is its size, the size of its name, a count of values,
// the type, the name and the value, these two at multiples of eight bytes. The
// pairs of a list in a list follow the pair that it is the value of.
const (
	nvHeader = 12 // encoding, byte order, two reserved; version and flags
	nvPair   = 16
	nvDepth  = 8

	nvUint64 = 8
	nvString = 9
	nvNvlist = 19
	nvLists  = 20 // an array of lists, which follow the pair as well
)

// decode reads a list in the encoding that the module answers in. What is not
// such a list gives false, however it is damaged.
func decode(data []byte) (nvlist, bool) {
	// The native encoding, and the byte order of this machine.
	little := byte(binary.NativeEndian.Uint16([]byte{1, 0}))
	if len(data) < nvHeader || data[0] != 0 || data[1] != little {
		return nil, false
	}
	list, _, ok := decodePairs(data[nvHeader:], nvDepth)
	return list, ok
}

func decodePairs(data []byte, depth int) (list nvlist, rest []byte, ok bool) {
	if depth == 0 {
		return nil, nil, false
	}
	list = nvlist{}
	for {
		if len(data) < 4 {
			return nil, nil, false
		}
		size := int(int32(binary.NativeEndian.Uint32(data)))
		if size == 0 {
			return list, data[4:], true
		}
		if size < nvPair || size > len(data) {
			return nil, nil, false
		}
		pair := data[:size]
		data = data[size:]
		named := int(int16(binary.NativeEndian.Uint16(pair[4:])))
		at := (nvPair + named + 7) &^ 7
		if named < 1 || at > size {
			return nil, nil, false
		}
		name, value := cString(pair[nvPair:nvPair+named]), pair[at:]
		switch binary.NativeEndian.Uint32(pair[12:]) {
		case nvUint64:
			if len(value) < 8 {
				return nil, nil, false
			}
			list[name] = binary.NativeEndian.Uint64(value)
		case nvString:
			list[name] = cString(value)
		case nvNvlist:
			if list[name], data, ok = decodePairs(data, depth-1); !ok {
				return nil, nil, false
			}
		case nvLists:
			return nil, nil, false
		}
	}
}

func cString(b []byte) string {
	text, _, _ := strings.Cut(string(b), "\x00")
	return text
}

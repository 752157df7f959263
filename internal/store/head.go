// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"

	"zones/internal/schema"
	"zones/internal/zone"
)

// headSize is how much of an XML file is read for its root element.
const headSize = 4 << 10

// A header reads root elements, file after file.
type header struct {
	store *Store
	buf   [headSize]byte
}

// read gives what the root element of a zone's XML file says; of the entry, the
// path only.
func (h *header) read(name zone.Name) Summary {
	if data, err := h.file(h.store.ConfigFile(name)); err == nil {
		if sum, ok := scanRoot(data); ok {
			return sum
		}
	}
	// Not as we write it, damaged, or to be read through a journal.
	return h.store.slowHead(name)
}

func (h *header) file(path string) ([]byte, error) {
	fd, err := open(path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, h.buf[:])
	if err != nil {
		return nil, err
	}
	return h.buf[:n], nil
}

// scanRoot reads the root element of a file that looks as we write it. It gives
// up on anything else, entities and other encodings among it; decode knows what
// to make of that.
func scanRoot(data []byte) (sum Summary, ok bool) {
	if m := declaredEncoding.FindSubmatch(data); m != nil && !bytes.EqualFold(m[1], []byte("utf-8")) {
		return sum, false
	}
	for {
		data = bytes.TrimLeft(data, " \t\r\n")
		end := ""
		switch {
		case bytes.HasPrefix(data, []byte("<?")):
			end = "?>"
		case bytes.HasPrefix(data, []byte("<!--")):
			end = "-->"
		case bytes.HasPrefix(data, []byte("<!DOCTYPE ")):
			end = ">"
		default:
			return scanTag(data)
		}
		before, after, found := bytes.Cut(data, []byte(end))
		if !found || bytes.IndexByte(before, '[') >= 0 {
			return sum, false
		}
		data = after
	}
}

// scanTag reads the attributes of a start tag of the root element.
func scanTag(data []byte) (sum Summary, ok bool) {
	data, ok = bytes.CutPrefix(data, []byte("<"+schema.Global.Element+" "))
	if !ok {
		return sum, false
	}
	sum = unset()
	for {
		data = bytes.TrimLeft(data, " \t\r\n")
		if bytes.HasPrefix(data, []byte(">")) || bytes.HasPrefix(data, []byte("/>")) {
			return sum, true
		}
		name, rest, found := bytes.Cut(data, []byte(`="`))
		value, rest, closed := bytes.Cut(rest, []byte(`"`))
		if !found || !closed || bytes.ContainsAny(name, "<>'\"= \t\r\n/") || bytes.ContainsAny(value, "&<\t\r\n") {
			return Summary{}, false
		}
		sum.take(string(name), string(value))
		data = rest
	}
}

// unset is a root element without attributes.
func unset() (sum Summary) {
	sum.take(schema.IPType.Attr, schema.IPType.Default)
	sum.take(schema.IDSize.Attr, schema.IDSize.Default)
	return sum
}

// take notes an attribute of the root element.
func (sum *Summary) take(name, value string) {
	switch {
	case name == schema.ZonePath.Attr:
		sum.Path = value
	case name == schema.Brand.Attr:
		sum.Brand = value
	case name == schema.IPType.Attr && value != "":
		sum.IPType = value
	case name == debugID:
		sum.DebugID = parseDebugID(value)
	case name == schema.IDBase.Attr:
		sum.IDBase, _ = strconv.ParseUint(value, 10, 64)
	case name == schema.IDSize.Attr && value != "":
		sum.IDSize, _ = strconv.ParseUint(value, 10, 64)
	}
}

// slowHead is the same by way of the whole file.
func (s *Store) slowHead(name zone.Name) Summary {
	data, _, err := s.readXML(name)
	if err != nil {
		return Summary{Err: err}
	}
	c, err := decodeFile(s.ConfigFile(name), data)
	if err != nil {
		return Summary{Err: err}
	}
	sum := unset()
	sum.DebugID = DebugID(c)
	for _, p := range summarized {
		sum.take(p.Attr, c.Text(p))
	}
	return sum
}

// summarized are the properties that a Summary has.
var summarized = []*schema.Property{schema.ZonePath.Property, schema.Brand.Property, schema.IPType.Property,
	schema.IDBase.Property, schema.IDSize.Property}

// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"strings"
	"testing"

	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/zone"
)

const manyZones = 10_000

// manyZonesStore has ten thousand zones in its index, with their XML files if
// asked for.
func manyZonesStore(b *testing.B, files bool) *Store {
	b.Helper()
	s := testStore(b)
	var text strings.Builder
	text.WriteString(emptyIndex)
	for i := range manyZones {
		name := zone.Name(fmt.Sprintf("zone-%05d", i))
		fmt.Fprintf(&text, "%s:installed:/zones/%s:%s\n", name, name, zone.NewUUID())
		if files {
			c := config.New(name)
			c.Zone.SetText(schema.ZonePath.Property, "/zones/"+string(name))
			c.Zone.SetText(schema.Brand.Property, "linux")
			setDebugID(c, i+1)
			doc, err := encode(c)
			if err != nil {
				b.Fatal(err)
			}
			write(b, s.ConfigFile(name), string(doc))
		}
	}
	write(b, s.IndexFile(), text.String())
	b.ReportAllocs()
	b.ResetTimer()
	return s
}

func BenchmarkIndexOf10000(b *testing.B) {
	s := manyZonesStore(b, false)
	for range b.N {
		if list, err := s.Index(); err != nil || len(list) != manyZones+1 {
			b.Fatal(err)
		}
	}
}

func BenchmarkLookupIn10000(b *testing.B) {
	s := manyZonesStore(b, false)
	for range b.N {
		if _, err := s.Lookup("zone-09999"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSummariesOf10000(b *testing.B) {
	s := manyZonesStore(b, true)
	for range b.N {
		if list, err := s.Summaries(); err != nil || list[manyZones].DebugID != manyZones {
			b.Fatal(err)
		}
	}
}

func BenchmarkSetStateIn10000(b *testing.B) {
	s := manyZonesStore(b, false)
	for range b.N {
		if _, err := s.SetState("zone-05000", zone.Incomplete); err != nil {
			b.Fatal(err)
		}
	}
}

// largeConfig has a thousand resources.
func largeConfig(b *testing.B) *config.Config {
	b.Helper()
	c := config.New("large")
	c.Zone.SetText(schema.ZonePath.Property, "/zones/large")
	for i := range 1000 {
		r := config.NewResource(schema.AttrResource)
		r.SetText(schema.AttrName.Property, fmt.Sprintf("name-%d", i))
		r.SetText(schema.AttrType.Property, "string")
		r.SetText(schema.AttrValue.Property, "a value of some length")
		c.Add(r)
	}
	b.ReportAllocs()
	return c
}

func BenchmarkSave1000Resources(b *testing.B) {
	s, c := testStore(b), largeConfig(b)
	gen, err := s.Create(c, Generation{})
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		if gen, err = s.Save(c, gen); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoad1000Resources(b *testing.B) {
	s, c := testStore(b), largeConfig(b)
	if _, err := s.Create(c, Generation{}); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		if _, _, err := s.Load("large"); err != nil {
			b.Fatal(err)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/zone"
)

// Sessions that edit one zone at once, and take a conflict as a reason to begin
// again, lose nothing; readers never see half of a change.
func TestConcurrentSessions(t *testing.T) {
	const sessions, edits = 8, 10
	s := testStore(t)
	c := config.New("z")
	c.Zone.SetText(schema.ZonePath.Property, "/z/0")
	if _, err := s.Create(c, Generation{}); err != nil {
		t.Fatal(err)
	}
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, _, err := s.Load("z"); err != nil {
					t.Error("reader:", err)
				}
				if e, err := s.Lookup("z"); err != nil || e.Path == "" {
					t.Error("reader:", e, err)
				}
			}
		}()
	}
	for i := range sessions {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for n := 0; n < edits; {
				err := addAttr(s, fmt.Sprintf("s%d-%d", i, n))
				if err == nil {
					n++
				} else if !errors.Is(err, ErrConflict) {
					t.Error(err)
					return
				}
			}
		}()
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	c, _, err := s.Load("z")
	if err != nil || len(c.All(schema.AttrResource)) != sessions*edits {
		t.Errorf("%d edits of %d are there, %v", len(c.All(schema.AttrResource)), sessions*edits, err)
	}
	if e, err := s.Lookup("z"); err != nil || e.Path != c.Text(schema.ZonePath.Property) {
		t.Errorf("index says %v, %v", e, err)
	}
	clean(t, s)
}

func addAttr(s *Store, name string) error {
	c, gen, err := s.Load("z")
	if err != nil {
		return err
	}
	r := config.NewResource(schema.AttrResource)
	r.SetText(schema.AttrName.Property, name)
	r.SetText(schema.AttrType.Property, "string")
	r.SetText(schema.AttrValue.Property, name)
	c.Add(r)
	c.Zone.SetText(schema.ZonePath.Property, "/z/"+name)
	_, err = s.Save(c, gen)
	return err
}

// Sessions that create, rename and delete zones side by side keep the index.
func TestConcurrentZones(t *testing.T) {
	s := testStore(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			a, b := zone.Name(fmt.Sprintf("a%d", i)), zone.Name(fmt.Sprintf("b%d", i))
			c := config.New(a)
			c.Zone.SetText(schema.ZonePath.Property, "/z/"+string(a))
			gen, err := s.Create(c, Generation{})
			if err == nil {
				c.SetName(b)
				_, err = s.Rename(a, c, gen)
			}
			if err == nil && i%2 == 0 {
				err = s.Delete(b)
			}
			if err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	names, err := s.Names()
	if err != nil || len(names) != 4 {
		t.Errorf("%v, %v", names, err)
	}
	seen := map[int]bool{}
	list, err := s.Summaries()
	if err != nil {
		t.Fatal(err)
	}
	for _, sum := range list {
		if sum.Name != zone.Global && (sum.Err != nil || seen[sum.DebugID]) {
			t.Errorf("%+v", sum)
		}
		seen[sum.DebugID] = true
	}
	clean(t, s)
}

// SPDX-License-Identifier: Apache-2.0

package undo

import (
	"errors"
	"slices"
	"testing"
)

func TestRunsBackwardsPastFailures(t *testing.T) {
	var order []string
	bad := errors.New("bad")
	var s Stack
	s.Push("a", func() error { order = append(order, "a"); return nil })
	s.Push("b", func() error { order = append(order, "b"); return bad })
	s.Push("c", func() error { order = append(order, "c"); return nil })
	err := s.Run()
	if !errors.Is(err, bad) || err.Error() != "release b: bad" {
		t.Errorf("err = %v", err)
	}
	if want := []string{"c", "b", "a"}; !slices.Equal(order, want) {
		t.Errorf("order = %v, want %v", order, want)
	}
	if err := s.Run(); err != nil || len(order) != 3 {
		t.Errorf("a second Run released again: %v %v", err, order)
	}
}

func TestKeepAndTake(t *testing.T) {
	n := 0
	var s Stack
	s.Push("a", func() error { n++; return nil })
	taken := s.Take()
	_ = s.Run()
	if n != 0 {
		t.Fatal("Take left the release behind")
	}
	s.Push("b", func() error { n += 10; return nil })
	s.Keep()
	_ = s.Run()
	if _ = taken.Run(); n != 1 {
		t.Fatalf("n = %d, want 1", n)
	}
}

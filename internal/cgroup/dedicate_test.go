// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"slices"
	"testing"
)

func TestCPULists(t *testing.T) {
	for list, want := range map[string][]int{"": nil, "0": {0}, "0-3,8": {0, 1, 2, 3, 8}, "2,4-5": {2, 4, 5}} {
		got, err := parseCPUs(list)
		if err != nil || !slices.Equal(got, want) || formatCPUs(got) != list {
			t.Errorf("%q: %v, %v, %q", list, got, err, formatCPUs(got))
		}
	}
	if got := formatCPUs([]int{5, 1, 0, 5, 2}); got != "0-2,5" {
		t.Errorf("got %q", got)
	}
	for _, bad := range []string{"a", "1-", "-1", "0-x"} {
		if got, err := parseCPUs(bad); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

func TestChoose(t *testing.T) {
	all := []int{0, 1, 2, 3, 4, 5}
	for _, c := range []struct {
		taken []int
		want  Processors
		got   []int
	}{
		{nil, Processors{1, 1}, []int{5}},
		{[]int{5}, Processors{2, 2}, []int{3, 4}},
		{[]int{3, 4}, Processors{2, 3}, []int{1, 2, 5}},
		{nil, Processors{2, 64}, []int{1, 2, 3, 4, 5}}, // one is left
		{nil, Processors{6, 64}, all},
	} {
		if got, err := choose(all, c.taken, c.want); err != nil || !slices.Equal(got, c.got) {
			t.Errorf("%v without %v: %v, %v", c.want, c.taken, got, err)
		}
	}
	var scarce *ScarceError
	if _, err := choose(all, []int{0, 1, 2, 3}, Processors{3, 4}); !errors.As(err, &scarce) || scarce.Free != 2 {
		t.Errorf("too few: %v", err)
	}
}

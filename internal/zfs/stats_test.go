// SPDX-License-Identifier: Apache-2.0

package zfs

import (
	"os"
	"reflect"
	"testing"
)

// What the module of OpenZFS 2.3.9 answered, and what zfs get said then.
func TestStats(t *testing.T) {
	asked := []string{PropType, propZoned, propMountpoint, propMounted}
	for _, c := range []struct {
		file, name string
		want       map[string]Property
	}{
		{"filesystem", "tank/data/below", map[string]Property{PropType: {"filesystem", "-"}, propZoned: {"on", "local"},
			propMountpoint: {"/tank/data/below", "default"}, propMounted: {"no", "-"}}},
		{"filesystem", "tank/data/below/x", map[string]Property{PropType: {"filesystem", "-"}, propZoned: {"on", "inherited from tank/data/below"},
			propMountpoint: {"/tank/data/below/x", "default"}, propMounted: {"no", "-"}}},
		{"volume", "tank/data/vol", map[string]Property{PropType: {"volume", "-"}, propZoned: {"-", "-"},
			propMountpoint: {"-", "-"}, propMounted: {"-", "-"}}},
	} {
		data, err := os.ReadFile("testdata/" + c.file + ".nvlist")
		if err != nil {
			t.Fatal(err)
		}
		list, ok := decode(data)
		if !ok {
			t.Fatalf("%s: not understood", c.file)
		}
		got, ok := properties(c.name, list, asked)
		if !ok || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v %v, want %v", c.name, ok, got, c.want)
		}
		for n := range data {
			if _, ok := decode(data[:n]); ok {
				t.Fatalf("%s: understood when cut off after %d bytes", c.file, n)
			}
		}
	}
}

func TestPlace(t *testing.T) {
	for _, c := range []struct{ name, from, value, want, source string }{
		{"tank/a", "tank/a", "/srv", "/srv", "local"},
		{"tank/a/b", "tank/a", "/srv", "/srv/b", "inherited from tank/a"},
		{"tank/a", "tank", "/", "/a", "inherited from tank"},
		{"tank/a", "tank", "none", "none", "inherited from tank"},
		{"tank/a", "tank", "legacy", "legacy", "inherited from tank"},
		{"tank/a", "$recvd", "/srv", "/srv", "received"},
	} {
		set := nvlist{"value": c.value, "source": c.from}
		if got, ok := place(c.name, set); !ok || got != c.want || source(c.name, set) != c.source {
			t.Errorf("%s: %s %s, want %s %s", c.name, got, source(c.name, set), c.want, c.source)
		}
	}
	if _, ok := place("tank/a", nvlist{"value": uint64(1), "source": "tank"}); ok {
		t.Error("a number is taken for a place")
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"filesystem", "volume"} {
		data, err := os.ReadFile("testdata/" + name + ".nvlist")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		if list, ok := decode(data); ok {
			properties("tank/x", list, []string{PropType, propZoned, propMountpoint})
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func everyProperty() []*Property {
	var all []*Property
	for _, r := range append([]*Resource{Global}, Resources...) {
		all = append(all, r.Props...)
	}
	return all
}

// TestDeclarations holds every declaration to what its readers rely on.
func TestDeclarations(t *testing.T) {
	for _, p := range everyProperty() {
		where := p.Resource.Name + " " + p.Name
		if p.Resource.Props[p.Index] != p || p.Resource.Prop(p.Name) != p {
			t.Errorf("%s is not in its place", where)
		}
		if !strings.HasSuffix(p.Help, ".") || p.Meta == "" && p.Shape != Composites {
			t.Errorf("%s: help %q, metavariable %q", where, p.Help, p.Meta)
		}
		stored := 0
		for _, is := range []bool{p.Attr != "", p.Element != "", p.Alias != nil} {
			if is {
				stored++
			}
		}
		if stored != 1 {
			t.Errorf("%s is stored in %d places", where, stored)
		}
		if (len(p.Fields) > 0) != (p.Shape != Simple) {
			t.Errorf("%s: shape %d with %d fields", where, p.Shape, len(p.Fields))
		}
		if !Keyword(p.Name) {
			t.Errorf("%s is no keyword", where)
		}
	}
	for _, r := range Resources {
		if Lookup(r.Name) != r || !strings.HasSuffix(r.Help, ".") {
			t.Errorf("%s: help %q", r.Name, r.Help)
		}
		if Keyword(r.Name) {
			t.Errorf("%s is a resource and a property", r.Name)
		}
	}
}

// TestSamples holds samples to passing the checks, and stored texts to reading
// back through the typed handle's parser and through Split and Join.
func TestSamples(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, p := range everyProperty() {
		for range 50 {
			item := p.Sample(r)
			switch {
			case p.Shape == Composites:
				if err := p.CheckItem(item); err != nil {
					t.Errorf("%s: sample %q: %v", p.Name, item, err)
				}
			case p != CappedCPUNCPUs.Property: // typed in another unit than stored
				if err := p.Check(item[0]); err != nil {
					t.Errorf("%s: sample %q: %v", p.Name, item, err)
				}
				if again := p.Normal(item[0]); again != item[0] {
					t.Errorf("%s: %q becomes %q when stored twice", p.Name, item[0], again)
				}
			}
			if p.split != nil && p.Join(p.Split(item[0])) != item[0] {
				t.Errorf("%s: %q does not survive the file", p.Name, item[0])
			}
		}
	}
}

func TestSizes(t *testing.T) {
	for in, want := range map[string]uint64{
		"0": 0, "1": 1, "1k": 1 << 10, "512m": 512 << 20, "1.5G": 3 << 29, "2T": 2 << 40, "1048576": 1 << 20,
		" 1 M": 1 << 20, "M": 0, "": 0, ".5K": 512, "1.K": 1 << 10, "0.0001K": 0, "18446744073709551615": 1<<64 - 1,
	} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"1MB", "1KiB", "1B", "1P", "-1", "-1M", "x", "1.2.3", ".", "1,5G", "16777216T",
		"18446744073709551616", "+1", "1e3", "0x10", strings.Repeat("9", 100)} {
		if got, err := ParseSize(in); err == nil {
			t.Errorf("ParseSize(%q) = %d", in, got)
		}
	}
	for in, want := range map[uint64]string{
		0: "0", 1023: "1023", 1024: "1K", 1126: "1.1K", 1 << 20: "1M", 3 << 29: "1.5G", 50 << 20: "50M", 21 << 29: "11G",
		2 << 40: "2T", 5000 << 40: "5000T", 1536: "1.5K",
	} {
		if got := ShowSize(in); got != want {
			t.Errorf("ShowSize(%d) = %s, want %s", in, got, want)
		}
	}
	r := rand.New(rand.NewPCG(2, 2))
	for range 1000 {
		n := r.Uint64() >> r.UintN(64)
		if back, err := ParseSize(ExactSize(n)); err != nil || back != n {
			t.Errorf("ExactSize(%d) = %s reads back as %d, %v", n, ExactSize(n), back, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "10.0.0.1/24": "10.0.0.1/24", "fe80::1/64": "fe80::1/64", "www": "www",
		"10.0.0.999": "10.0.0.999", "10.0.0.1/x": "10.0.0.1/0", "10.0.0.1/24,x": "10.0.0.1/24", "a.b-c/8": "a.b-c/8",
	} {
		if got, err := ParseAddress(in); err != nil || got.String() != want {
			t.Errorf("ParseAddress(%q) = %v, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "/24", "-a", "a_b", "fe80::1", "fe80::1/129", "10.0.0.1/33", "fe80:::1/64", "a b"} {
		if got, err := ParseAddress(in); err == nil {
			t.Errorf("ParseAddress(%q) = %v", in, got)
		}
	}
	if a, _ := ParseAddress("10.0.0.1/24"); func() bool { p, ok := a.Prefix(); return !ok || p.Bits() != 24 }() {
		t.Error("no prefix")
	}
	for pair, want := range map[[2]string]bool{
		{"a", "a"}: true, {"a/8", "a"}: true, {"a", "a/8"}: true, {"a/8", "a/9"}: false, {"a", "b"}: false,
	} {
		if got := SameAddress(pair[0], pair[1]); got != want {
			t.Errorf("SameAddress(%v) = %v", pair, got)
		}
	}
}

func TestPrivileges(t *testing.T) {
	list, err := parsePrivileges("default,!net_rawaccess,cap_net_raw,-PRIV_SYS_TIME")
	if err != nil || len(list) != 4 || !list[1].Remove || !list[2].Linux || list[2].Name != "net_raw" || list[3].Name != "sys_time" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, in := range []string{"zone", "cap_", "default,default", "a,", "--sys_time", "cap_zone", "!default"} {
		if list, err := parsePrivileges(in); err == nil {
			t.Errorf("parsePrivileges(%q) = %+v", in, list)
		}
	}
}

func TestCPUs(t *testing.T) {
	for in, want := range map[string]string{"0.5": "50", "1.239": "123", "2": "200", "64": "6400", ".01": "1", "1.": "100"} {
		if err := CappedCPUNCPUs.Check(in); err != nil || CappedCPUNCPUs.Normal(in) != want {
			t.Errorf("%q is stored as %s (%v), want %s", in, CappedCPUNCPUs.Normal(in), err, want)
		}
	}
	if got := CappedCPUNCPUs.Show("150"); got != "1.50" {
		t.Errorf("150 percent are shown as %s", got)
	}
}

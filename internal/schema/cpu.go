// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"math/big"
	"strconv"
	"strings"
)

// Processors.
var (
	DedicatedCPUNCPUs = required("ncpus", cpuRange, "How many processors, or from how few to how many.",
		bare, outOfRange, ncpusInXML)
	DedicatedCPUImportance = optional("importance", count(0, 1<<63-1), "How this zone's claim ranks among others.",
		canClear, quiet, bare, outOfRange, element("tmp_pool", "importance"))
	CappedCPUNCPUs = required("ncpus", cpuCap, "How much of how many processors the zone may use at most.",
		aliasOf("zone.cpu-cap", "deny"), bare, outOfRange, quiet, typedAs(parseCPUCap))
)

// DedicatedCPUResource sets processors aside for the zone alone.
var DedicatedCPUResource = resource(Resource{
	Name: "dedicated-cpu", Single: true, Host: true,
	Help: "Processors that are set aside for the zone while it runs.",
}, nil, DedicatedCPUNCPUs, DedicatedCPUImportance)

// CappedCPUResource limits the processor time of the zone. All of it is an
// alias.
var CappedCPUResource = resource(Resource{
	Name: "capped-cpu", Single: true, Host: true, Computed: true,
	Help: "A limit to the processor time that the zone uses.",
}, nil, CappedCPUNCPUs)

// CPURange is a number of processors, from Low to High.
type CPURange struct {
	Low, High int
}

func ncpusInXML(p *Property) {
	element("pset", "ncpu_min", "ncpu_max")(p)
	p.split = func(text string) []string {
		low, high, ok := strings.Cut(text, "-")
		if !ok {
			high = low
		}
		return []string{low, high}
	}
	p.join = func(attrs []string) string {
		if attrs[0] == attrs[1] {
			return attrs[0]
		}
		return attrs[0] + "-" + attrs[1]
	}
}

var cpuRange = Kind[CPURange]{
	Meta: "NUMBER[-NUMBER]", Allowed: "a number from 1, or a range of such numbers",
	parse: func(s string) (CPURange, error) {
		low, high, ok := strings.Cut(s, "-")
		if !ok {
			high = low
		}
		l, err1 := strconv.ParseUint(low, 10, 31)
		h, err2 := strconv.ParseUint(high, 10, 31)
		if err1 != nil || err2 != nil || l < 1 || l > h {
			return CPURange{}, ErrRange
		}
		return CPURange{int(l), int(h)}, nil
	},
	normal: func(s string) string {
		low, high, ok := strings.Cut(s, "-")
		l, _ := strconv.Atoi(low)
		h, _ := strconv.Atoi(high)
		if !ok || l == h {
			return strconv.Itoa(l)
		}
		return strconv.Itoa(l) + "-" + strconv.Itoa(h)
	},
	sample: pick("1", "2", "1-4", "16-64"),
}

// cpuCap is a number of processors as a decimal fraction. It is stored, and
// read by Of, in percent of one processor.
var cpuCap = Kind[uint64]{
	Meta: "NUMBER[.NUMBER]", Allowed: "a number from 0.01",
	parse: func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) },
	normal: func(s string) string {
		n, _ := parseCPUCap(s)
		return strconv.FormatUint(n, 10)
	},
	show: func(s string) string {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return s
		}
		return strconv.FormatUint(n/100, 10) + "." + strconv.FormatUint(100+n%100, 10)[1:]
	},
	sample: pick("0.50", "1.5", "2", "64"),
}

// typedAs is for kinds that are typed in another unit than they are stored in.
func typedAs[T any](parse func(string) (T, error)) option {
	return func(p *Property) { p.check = func(s string) error { _, err := parse(s); return err } }
}

func parseCPUCap(s string) (uint64, error) {
	whole, frac, dot := strings.Cut(s, ".")
	if strings.Trim(whole+frac, digits) != "" || whole+frac == "" || len(s) > 64 || dot && frac == "" && whole == "" {
		return 0, ErrNumber
	}
	f, ok := new(big.Rat).SetString("0" + whole + "." + frac + "0")
	if !ok {
		return 0, ErrNumber
	}
	f.Mul(f, big.NewRat(100, 1))
	n := new(big.Int).Quo(f.Num(), f.Denom())
	if !n.IsUint64() || n.Sign() == 0 {
		return 0, ErrRange
	}
	return n.Uint64(), nil
}

// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

const suffixes = "KMGT"

// ParseSize reads a size: an optional decimal number, blanks, and an optional
// suffix K, M, G or T in either case, powers of 1024. No number at all counts
// as 0; a fraction of a byte is dropped. What 64 bits cannot hold is no size.
func ParseSize(s string) (uint64, error) {
	s = strings.TrimLeft(s, " \t")
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || s[end] == '.') {
		end++
	}
	number, unit := s[:end], strings.TrimSpace(s[end:])
	shift := uint(0)
	if unit != "" {
		i := strings.Index(suffixes, strings.ToUpper(unit))
		if len(unit) != 1 || i < 0 {
			return 0, ErrNumber
		}
		shift = uint(10 * (i + 1))
	}
	if number == "" {
		return 0, nil
	}
	if strings.Count(number, ".") > 1 || number == "." || len(number) > 64 {
		return 0, ErrNumber
	}
	if n, err := strconv.ParseUint(number, 10, 64); err == nil {
		if n > math.MaxUint64>>shift {
			return 0, ErrNumber
		}
		return n << shift, nil
	}
	f, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, ErrNumber
	}
	f.Mul(f, new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), shift)))
	n := new(big.Int).Quo(f.Num(), f.Denom())
	if !n.IsUint64() {
		return 0, ErrNumber
	}
	return n.Uint64(), nil
}

// ShowSize prints a size for people, rounded half up to a whole number of the
// largest unit, with one decimal below ten when that was not exact.
func ShowSize(n uint64) string {
	if n < 1024 {
		return strconv.FormatUint(n, 10)
	}
	unit, before, exact := -1, n, true
	for n >= 1024 && unit < len(suffixes)-1 {
		before, exact = n, n%1024 == 0
		n = n/1024 + (n%1024)/512
		unit++
	}
	if !exact && before < 10*1024 {
		return strconv.FormatFloat(float64(before)/1024, 'f', 1, 64) + suffixes[unit:unit+1]
	}
	return strconv.FormatUint(n, 10) + suffixes[unit:unit+1]
}

// ExactSize prints a size in the largest unit of which it is a whole number.
func ExactSize(n uint64) string {
	unit := -1
	for n >= 1024 && n%1024 == 0 && unit < len(suffixes)-1 {
		n /= 1024
		unit++
	}
	if unit < 0 {
		return strconv.FormatUint(n, 10)
	}
	return strconv.FormatUint(n, 10) + suffixes[unit:unit+1]
}

// size is a number of bytes of at least low. It is stored in bytes.
func size(low uint64) Kind[uint64] {
	allowed := "a size"
	if low > 0 {
		allowed = "a size of at least " + ExactSize(low)
	}
	return Kind[uint64]{
		Meta: "SIZE", Allowed: allowed,
		parse: func(s string) (uint64, error) {
			n, err := ParseSize(s)
			if err == nil && n < low {
				err = ErrRange
			}
			return n, err
		},
		normal: func(s string) string {
			n, _ := ParseSize(s)
			return strconv.FormatUint(n, 10)
		},
		show: func(s string) string {
			n, err := strconv.ParseUint(s, 10, 64)
			if err != nil {
				return s
			}
			return ShowSize(n)
		},
		sample: func(r *Rand) string {
			n := strconv.FormatUint(1+r.Uint64N(1000), 10)
			switch r.IntN(3) {
			case 0:
				return n + string("gGtT"[r.IntN(4)])
			case 1:
				return n + ".5" + string("gGtT"[r.IntN(4)])
			}
			return strconv.FormatUint(low+1<<30+r.Uint64N(1<<40), 10)
		},
	}
}

// needsSize is the complaint about sizes: some sentence when the text is none,
// another when it is too small.
func needsSize(none, small string) option {
	return says(func(_, _, _ string, err error) string {
		if err == ErrRange && small != "" {
			return small
		}
		return none
	})
}

const (
	positiveSize    = "A positive number with a required scale suffix (K, M, G or T) was expected here."
	nonNegativeSize = "A non-negative number with a required scale suffix (K, M, G or T) was expected\nhere."
)

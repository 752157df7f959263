// SPDX-License-Identifier: Apache-2.0

package schema

import "strings"

// Memory. All sizes are in bytes.
var (
	CappedMemoryPhysical = optional("physical", size(1<<20), "The most memory that the zone may use.",
		attr("physcap"), canClear, quiet, bare, needsSize(positiveSize, "physical value is too small.  It must be at least 1M."))
	CappedMemorySwap = optional("swap", size(minSwap), "The most swap that the zone may use.",
		aliasOf("zone.max-swap", "deny"), canClear, quiet, bare,
		needsSize(positiveSize, "swap value is too small.  It must be at least 50M."))
	CappedMemoryLocked = optional("locked", size(0), "The most memory that the zone may lock.",
		aliasOf("zone.max-locked-memory", "deny"), canClear, quiet, bare, needsSize(nonNegativeSize, ""))
)

// PhysicalRctl is the resource control that OmniOS and SmartOS keep the cap of
// physical memory as. It is read when there is no
// cap in the place of illumos.
var PhysicalRctl = Alias{"zone.max-physical-memory", "deny"}

// minSwap is the least swap a zone can be limited to, and MinGlobalSwap the
// global zone, in bytes.
const (
	minSwap       = 50 << 20
	MinGlobalSwap = 100 << 20
)

// CappedMemoryResource limits the memory of the zone. Only the physical cap
// is stored as such, the others are aliases.
var CappedMemoryResource = resource(Resource{
	Name: "capped-memory", Element: "mcap", Single: true, Host: true,
	Help: "Limits to the memory that the zone uses.",
}, nil, CappedMemoryPhysical, CappedMemorySwap, CappedMemoryLocked)

// Security flags.
var (
	SecurityFlagsDefault = optional("default", secFlags, "The flags that processes start with.", canClear, ignored, at(AtEnd))
	SecurityFlagsLower   = optional("lower", secFlags, "The flags that no process can drop.", canClear, ignored, at(AtEnd))
	SecurityFlagsUpper   = optional("upper", secFlags, "The flags that no process can exceed.", canClear, ignored, at(AtEnd))
)

// SecurityFlagsResource holds the security flags of the zone's processes.
var SecurityFlagsResource = resource(Resource{
	Name: "security-flags", Element: "security-flags", Single: true, Host: true,
	Help: "The security flags of the zone's processes.",
}, nil, SecurityFlagsDefault, SecurityFlagsLower, SecurityFlagsUpper)

// SecFlags is a set of security flags.
type SecFlags struct {
	Set   uint // bits of secFlagNames
	Delta bool // the list began from the current set, which is not allowed
}

// secFlagNames are the flags; the place of a name is its bit.
var secFlagNames = []string{"aslr", "forbidnullmap", "noexecstack"}

const allSecFlags = 1<<3 - 1

// AllSecFlags is the set of all flags.
var AllSecFlags = SecFlags{Set: allSecFlags}

// Within reports whether every flag of s is one of t.
func (s SecFlags) Within(t SecFlags) bool { return s.Set&^t.Set == 0 }

var secFlags = Kind[SecFlags]{
	Meta: "FLAGS", Allowed: "names among " + strings.Join(secFlagNames, ", ") +
		", all and none, with commas between; -NAME and !NAME take away",
	Max: 1023, Values: append([]string{"all", "none"}, secFlagNames...),
	parse:  parseSecFlags,
	sample: pick("aslr", "none", "all", "aslr,noexecstack", "all,-aslr"),
}

func parseSecFlags(s string) (SecFlags, error) {
	var f SecFlags
	for _, name := range strings.Split(strings.ToLower(s), ",") {
		bare := strings.TrimLeft(name, "-!+")
		if len(name)-len(bare) > 1 {
			return f, ErrInvalid
		}
		var bits uint
		switch bare {
		case "all":
			bits = allSecFlags
		case "none":
			bits = 0
		case "current":
			f.Delta = true
		default:
			at := -1
			for i, n := range secFlagNames {
				if n == bare {
					at = i
				}
			}
			if at < 0 {
				return f, ErrInvalid
			}
			bits = 1 << at
		}
		if name[0] == '-' || name[0] == '!' {
			f.Set &^= bits
		} else {
			f.Set |= bits
		}
	}
	return f, nil
}

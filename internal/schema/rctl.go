// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"strconv"
	"strings"
)

// Resource controls.
var (
	RctlName = required("name", rctlName, "The name of the resource control.", from(Rctls), matches,
		saysOf("'%s' is not a valid zone rctl name."))
	RctlValue = composites("value", "rctl-value", "A limit, with who may change it and what happens at it.",
		[]Field{{Name: "priv"}, {Name: "limit"}, {Name: "action"}}, rctlValue,
		func(r *Rand) string {
			return "privileged\x00" + strconv.FormatUint(r.Uint64(), 10) + "\x00" + pick("none", "deny")(r)
		}, need, says(func(_, _, _ string, _ error) string { return "Invalid rctl value specification" }))
)

// RctlResource is a resource control.
var RctlResource = resource(Resource{
	Name: "rctl", Element: "rctl", Host: true,
	Help: "A resource control of the zone.",
}, RctlName, RctlName, RctlValue)

// Limit is one value of a resource control.
type Limit struct {
	Priv   string // always privileged
	Limit  uint64
	Action string // none or deny
}

func rctlValue(i Item) (Limit, error) {
	if len(i) != 3 || i[0] != AliasPriv || i[2] != "none" && i[2] != "deny" {
		return Limit{}, ErrInvalid
	}
	n, err := rctlLimit(i[1])
	return Limit{i[0], n, i[2]}, err
}

func rctlLimit(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 0, 64)
	if err != nil || strings.ContainsAny(s, "_bBoO") && !strings.HasPrefix(strings.ToLower(s), "0x") ||
		strings.Contains(s, "_") {
		return 0, ErrInvalid
	}
	return n, nil
}

// RctlLimit reports whether s can be the limit of a resource control, whoever
// may change it and whatever happens at it.
func RctlLimit(s string) bool {
	_, err := rctlLimit(s)
	return err == nil
}

var rctlName = Kind[string]{
	Meta: "NAME", Allowed: "zone. and letters or hyphens", Max: 255,
	parse: func(s string) (string, error) {
		rest, ok := strings.CutPrefix(s, "zone.")
		if !ok || rest == "" || strings.Trim(rest, letters+"-") != "" {
			return "", ErrInvalid
		}
		return s, nil
	},
	sample: pick("zone.max-lwps", "zone.cpu-shares", "zone.max-fds", "zone.max-msg-ids", "zone.no-such-control"),
}

// RctlNames lists the resource controls that aliases stand for.
func RctlNames() []string {
	var names []string
	for _, r := range append([]*Resource{Global}, Resources...) {
		for _, p := range r.Props {
			if p.Alias != nil {
				names = append(names, p.Alias.Rctl)
			}
		}
	}
	return names
}

// CheckItem is Check for a composite value.
func (p *Property) CheckItem(i Item) error {
	if p == RctlValue.Property {
		_, err := rctlValue(i)
		return err
	}
	_, err := nameValue(i)
	return err
}

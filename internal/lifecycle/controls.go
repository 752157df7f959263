// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"fmt"
	"strings"

	"zones/internal/config"
	"zones/internal/schema"
)

// verifyControls checks the resource controls: those that nothing is known of
// are passed over with a warning, values that make no sense are errors.
func (m *Manager) verifyControls(cfg *config.Config) error {
	known := map[string]bool{schema.PhysicalRctl.Rctl: true}
	for _, p := range schema.Global.Props {
		if p.Alias != nil {
			known[p.Alias.Rctl] = true
		}
	}
	for _, t := range schema.Resources {
		for _, p := range t.Props {
			if p.Alias != nil {
				known[p.Alias.Rctl] = true
			}
		}
	}
	var failed error
	for _, res := range cfg.All(schema.RctlResource) {
		name := res.Text(schema.RctlName.Property)
		if !known[name] {
			m.Talk.About(fmt.Sprintf("WARNING: Ignoring unrecognized rctl '%s'.", name))
			continue
		}
		value, _ := res.Get(schema.RctlValue.Property)
		for _, item := range value {
			if schema.RctlValue.CheckItem(item) == nil {
				continue
			}
			if len(item) == len(schema.RctlValue.Fields) && schema.RctlLimit(item[1]) {
				m.Talk.About(fmt.Sprintf("%s is not a valid value for rctl '%s'", written(item), name))
			} else {
				m.Talk.About(fmt.Sprintf("invalid rctl value: %s", written(item)))
			}
			failed = errSaid
		}
	}
	return failed
}

func written(item schema.Item) string {
	words := make([]string, len(item))
	for i, text := range item {
		field := ""
		if i < len(schema.RctlValue.Fields) {
			field = schema.RctlValue.Fields[i].Name + "="
		}
		words[i] = field + text
	}
	return "(" + strings.Join(words, ",") + ")"
}

// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"strconv"
	"strings"
)

// Comments on the zone, and what brands are told.
var (
	AttrName  = required("name", text, "The name.", limit(255), at(AtEnd), matches)
	AttrType  = required("type", attrType, "The type of the value.", at(AtEnd), matches, saysOf("invalid attr type '%s'"))
	AttrValue = required("value", text, "The value.", limit(2047), at(AtEnd), matches)
)

// AttrResource is a named value that means nothing to the system.
var AttrResource = resource(Resource{
	Name: "attr", Element: "attr",
	Help: "A named value, for people, for programs and for the brand.",
}, AttrName, AttrName, AttrType, AttrValue)

var attrType = enum("ATTR-TYPE", "boolean", "int", "uint", "string")

// AttrFits reports whether a value is one of the type.
func AttrFits(typ, value string) bool {
	var err error
	switch typ {
	case "boolean":
		return value == "true" || value == "false"
	case "int":
		_, err = strconv.ParseInt(value, 10, 64)
	case "uint":
		_, err = strconv.ParseUint(value, 10, 64)
	case "string":
		return len(value) <= 2047
	}
	return err == nil
}

// AttrNameProblem says what is wrong with the name of an attr; nothing when it
// is well formed.
func AttrNameProblem(name string) string {
	const bad = "Invalid attr name "
	if name == "" || !strings.Contains(letters+digits, name[:1]) {
		return bad + name + ": must start with an alpha-numeric character."
	}
	if strings.Trim(name, letters+digits+"-.") != "" {
		return bad + name + ": can only contain alpha-numeric characters, plus '-' and '.'."
	}
	return ""
}

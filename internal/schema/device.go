// SPDX-License-Identifier: Apache-2.0

package schema

// Devices of the host that the zone sees.
var (
	DeviceMatch    = required("match", text, "The path of the device, or a shell pattern.", limit(1023), from(Paths), matches)
	DeviceProperty = composites("property", "net-attr", "Further properties, for the brand to interpret.",
		nameValueFields, nameValue, sampleNameValue, quiet)
)

// DeviceResource is a device.
var DeviceResource = resource(Resource{
	Name: "device", Element: "device",
	Help: "Devices of the host that appear in the zone.",
}, DeviceMatch, DeviceMatch, DeviceProperty)

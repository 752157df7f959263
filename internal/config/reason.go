// SPDX-License-Identifier: Apache-2.0

package config

// A Reason is why something about a configuration is refused, in the words
// that administrators and their scripts know. It is an error to be compared
// with errors.Is.
type Reason string

func (r Reason) Error() string { return string(r) }

// The reasons.
const (
	NoZone           Reason = "No such zone configured"
	InvalidDocument  Reason = "Invalid document"
	BogusName        Reason = "Bogus zone name"
	NameInUse        Reason = "Zone name already in use"
	BadState         Reason = "Zone state is invalid for the requested operation"
	NoEntry          Reason = "No such entry"
	NoResourceType   Reason = "No such resource type"
	NoResource       Reason = "No such resource with that id"
	Insufficient     Reason = "Insufficient specification"
	NoPropertyType   Reason = "No such property type"
	NoProperty       Reason = "No such property with that id"
	ClearDisallowed  Reason = "Clearing this property is not allowed"
	Incompatible     Reason = "An incompatible rctl already exists for this property"
	InvalidProperty  Reason = "Specified property is invalid"
	ResourceMissing  Reason = "Required resource missing"
	PropertyMissing  Reason = "Required property missing"
	SettingsConflict Reason = "Incompatible settings"
	BadProperty      Reason = "Bad document property"
	BrandError       Reason = "Brand-specific error"
	InvalidArgument  Reason = "Invalid argument"
	TooLong          Reason = "Argument list too long"
	Denied           Reason = "Permission denied"
	FileSystem       Reason = "Miscellaneous file system error"
	TempFile         Reason = "Problem creating temporary file"
	SavingFile       Reason = "Problem saving file"
	UpdatingIndex    Reason = "Problem updating index file"
	LockingIndex     Reason = "Locking index file"
	UnlockingIndex   Reason = "Unlocking index file"
)

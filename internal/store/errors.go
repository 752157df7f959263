// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"strings"

	"zones/internal/config"
	"zones/internal/zone"
)

// The reasons for which a store refuses. Their texts are those that programs
// know from illumos and stand after "ZONE: " in messages; only the last three
// are our own.
var (
	ErrNoZone      error = config.NoZone
	ErrInvalid     error = config.InvalidDocument
	ErrName        error = config.BogusName
	ErrInUse       error = config.NameInUse
	ErrState       error = config.BadState
	ErrIndex       error = config.UpdatingIndex
	ErrLock        error = config.LockingIndex
	ErrTemporary   error = config.TempFile
	ErrSave        error = config.SavingFile
	ErrPermission  error = config.Denied
	ErrFileSystem  error = config.FileSystem
	ErrBadProperty error = config.BadProperty

	ErrConflict = errors.New("Configuration was changed by another session")
	ErrReadOnly = errors.New("no write access to the configuration")
	ErrZoneLock = errors.New("zone lock is not available")
)

// Error is a refusal with its place. Both the reason and the cause are found
// by errors.Is and errors.As.
type Error struct {
	Reason error  // one of the reasons above
	File   string // the file that is at fault; may be empty
	Line   int    // the line in it, from 1; 0 when no line is to blame
	Err    error  // what exactly was wrong; may be nil
}

// Error gives place, cause and reason: "FILE:LINE: cause: reason".
func (e *Error) Error() string {
	if detail := e.Detail(); detail != "" {
		return detail + ": " + e.Reason.Error()
	}
	return e.Reason.Error()
}

// Detail is what Error says without the reason; empty when there is nothing to
// add to it.
func (e *Error) Detail() string {
	var parts []string
	switch {
	case e.File != "" && e.Line > 0:
		parts = append(parts, fmt.Sprintf("%s:%d", e.File, e.Line))
	case e.File != "":
		parts = append(parts, e.File)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Err}
}

// Reason is the text that follows "ZONE: " in a message about err: the reason
// of an [Error], otherwise what err itself says.
func Reason(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason.Error()
	}
	var n *zone.NameError
	if errors.As(err, &n) {
		return ErrName.Error()
	}
	return err.Error()
}

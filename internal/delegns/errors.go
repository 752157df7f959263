// SPDX-License-Identifier: Apache-2.0

package delegns

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Errors to choose by with errors.Is. ErrNotExist, ErrExist and ErrPermission
// are those of io/fs.
var (
	// ErrNotLoaded: there is no module, or no device of it. Its text says how
	// to load it.
	ErrNotLoaded = errors.New("the module delegns is not loaded: load it with 'modprobe delegns_zfs'")
	// ErrABI: the module speaks another version of the interface.
	ErrABI = errors.New("the module delegns is older than this program: load the one that came with it")
	// ErrNotExist: no such namespace, none that the caller may see, or one
	// that has been destroyed. (A missing resource is ErrNoResource.)
	ErrNotExist = fs.ErrNotExist
	// ErrExist: the name is taken, the resource granted or the user namespace
	// attached already.
	ErrExist = fs.ErrExist
	// ErrPermission: the caller may see but not change.
	ErrPermission = fs.ErrPermission
	// ErrGone: the namespace behind the descriptor has been destroyed; it is
	// ErrNotExist too.
	ErrGone = errors.New("the namespace is destroyed")
	// ErrNotCovered: the parent does not hold the resource.
	ErrNotCovered = errors.New("the parent namespace does not hold the resource")
	// ErrNotBelow: the user namespace is not strictly below the owner's.
	ErrNotBelow = errors.New("the user namespace is not below that of the namespace's owner")
	// ErrNotHeld: nothing to revoke or to detach.
	ErrNotHeld = errors.New("the namespace does not have it")
	// ErrBusy: the user namespace is attached to another delegation
	// namespace, or the resource was given to it by other means.
	ErrBusy = errors.New("in use elsewhere: attached to another namespace, or delegated by 'zfs zone'")
	// ErrNoConsumer: no module for the consumer.
	ErrNoConsumer = errors.New("no such consumer: is its module (delegns_zfs for zfs) installed?")
	// ErrUnsafe: the consumer refuses to delegate on this machine.
	ErrUnsafe = errors.New("this version of OpenZFS is not safe to delegate with (root in any user namespace passes its checks): install 2.3.9 or 2.4.4, or newer, or set the parameter allow_unsafe of delegns_zfs")
	// ErrBadResource: not a name of the consumer's resources.
	ErrBadResource = errors.New("not a resource that can be delegated (a dataset, not a snapshot or a bookmark)")
	// ErrNoResource: the consumer does not have the resource.
	ErrNoResource = errors.New("no such resource: is its pool imported?")
	// ErrLimit: a bound of the module's parameters is reached.
	ErrLimit = errors.New("a limit of the module delegns is reached (see /sys/module/delegns/parameters)")
	// ErrInvalid: a malformed argument.
	ErrInvalid = fs.ErrInvalid
)

// Error is a call that failed: on what, and why.
type Error struct {
	Op     string // the call: "create", "grant", ...
	Object string // what it was about: a name, a resource; may be empty
	Errno  unix.Errno
	kind   error // what the errno means here; nil when the errno says it all
}

func (e *Error) Error() string {
	what := e.Op
	if e.Object != "" {
		what += " " + e.Object
	}
	if e.kind != nil {
		return fmt.Sprintf("%s: %v", what, e.kind)
	}
	return fmt.Sprintf("%s: %v", what, e.Errno)
}

// Unwrap gives the errno, so that errors.Is works with it too.
func (e *Error) Unwrap() error { return e.Errno }

// Is makes the sentinels above work.
func (e *Error) Is(target error) bool {
	return errors.Is(e.kind, target) || target == ErrNotExist && e.Errno == unix.ESTALE ||
		target == ErrInvalid && (e.Errno == unix.EINVAL || e.Errno == unix.E2BIG)
}

// kinds are the errnos with one meaning in every call.
var kinds = map[unix.Errno]error{
	unix.ESTALE:          ErrGone,
	unix.ENODATA:         ErrNotHeld,
	unix.EBUSY:           ErrBusy,
	unix.EPROTONOSUPPORT: ErrNoConsumer,
	unix.EOPNOTSUPP:      ErrUnsafe,
	unix.EILSEQ:          ErrBadResource,
	unix.ENXIO:           ErrNoResource,
	unix.ENOSPC:          ErrLimit,
	unix.EUSERS:          ErrLimit,
	unix.ENOENT:          errors.New("no such namespace"),
	unix.EPERM:           errors.New("not permitted: root of the namespace above may, and nobody on his own namespace"),
}

var (
	errNoName   = errors.New("not a name: 1 to 63 letters, digits, '-', '_' or '.', the first a letter or a digit, and not 'global'")
	errTooLong  = errors.New("the name is too long")
	errConsumer = errors.New("not the name of a consumer (such as zfs): 1 to 15 of a-z, 0-9, '-' and '_', the first a letter")
	errNoUserNS = errors.New("not a file of a user namespace")
	errDepth    = fmt.Errorf("%w, or the depth of %d", ErrLimit, DepthMax)
	errNotRoot  = errors.New("not permitted: root of the caller's own namespace may")
	errNotAbove = errors.New("not permitted: root of the namespace above may, and a zone's root on the zone's own")
)

// meanings are the errnos that have another meaning in each call.
var meanings = map[string]map[unix.Errno]error{
	"create": {unix.EEXIST: errors.New("the name is taken"), unix.EINVAL: errNoName, unix.E2BIG: errNoName,
		unix.EPERM: errNotRoot, unix.EUSERS: errDepth},
	"open": {unix.EINVAL: errors.New("neither an id nor a path of names"), unix.E2BIG: errTooLong},
	"grant": {unix.EEXIST: errors.New("already granted"), unix.EACCES: ErrNotCovered, unix.EINVAL: errConsumer,
		unix.E2BIG: errTooLong},
	"revoke": {unix.EINVAL: errConsumer, unix.E2BIG: errTooLong},
	"attach": {unix.EEXIST: errors.New("already attached"), unix.EACCES: ErrNotBelow, unix.EINVAL: errNoUserNS,
		unix.EPERM: errNotAbove},
	"detach": {unix.EACCES: ErrNotBelow, unix.EINVAL: errNoUserNS, unix.EPERM: errNotAbove},
}

func failure(op, object string, errno unix.Errno) error {
	kind := meanings[op][errno]
	if kind == nil {
		kind = kinds[errno]
	}
	return &Error{Op: op, Object: object, Errno: errno, kind: kind}
}

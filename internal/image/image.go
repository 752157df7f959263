// SPDX-License-Identifier: Apache-2.0

// Package image fills a directory with a root file system from a source: a
// directory, a tar archive, an OCI image or a fresh bootstrap of a Debian
// release. Whatever the source says, nothing is written outside that
// directory. It knows no zone, and it leaves ZFS streams to the caller: it
// says that a source is one and hands out its bytes.
package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// The reasons for which a source is refused. They are wrapped: use errors.Is.
// A full file system is unix.ENOSPC or unix.EDQUOT, as the kernel said it.
var (
	ErrUnknown   = errors.New("not a source of the kind wanted")
	ErrEscape    = errors.New("the name leads out of the root")
	ErrTruncated = errors.New("the archive is truncated")
	ErrCorrupt   = errors.New("the archive is corrupt")
	ErrBomb      = errors.New("the archive expands out of all proportion")
	ErrEntries   = errors.New("the archive has too many entries")
	ErrID        = errors.New("the owner is beyond the ids of a zone")
	ErrDigest    = errors.New("the content does not match its digest")
	ErrPlatform  = errors.New("the image has no variant for this platform")
	ErrTool      = errors.New("the program needed is not installed")
	ErrNotTree   = errors.New("a ZFS stream is received, not unpacked")
)

// EntryError is a member of the source that could not be carried over.
type EntryError struct {
	Name string // as the source spells it
	Err  error
}

func (e *EntryError) Error() string { return fmt.Sprintf("%q: %v", e.Name, e.Err) }
func (e *EntryError) Unwrap() error { return e.Err }

// Kind is what a source is.
type Kind int

// The kinds of sources. Auto is not a kind: it asks Open to find out.
const (
	Auto Kind = iota
	Directory
	Tar         // plain, or compressed by gzip, bzip2, xz or zstd
	OCILayout   // a folder in the OCI image layout
	OCIArchive  // the output of docker save or podman save, either format
	Registry    // a reference to an image in a registry
	ZFSSnapshot // the name of a snapshot on this host
	ZFSStream   // the output of zfs send, compressed or not
	Bootstrap   // a Debian release, made by mmdebstrap or debootstrap
)

var kindNames = [...]string{"auto", "directory", "tar archive", "OCI layout",
	"OCI archive", "registry image", "ZFS snapshot", "ZFS stream", "Debian release"}

func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return "unknown"
	}
	return kindNames[k]
}

// Options say how a source is opened and unpacked. The zero value serves.
type Options struct {
	Kind     Kind           // what the source must be; Auto: find out
	Only     []Kind         // what it may turn out to be; none: anything
	Platform string         // OS/ARCH[/VARIANT] of an OCI image; "": this machine
	MaxID    int            // the highest owner allowed; 0: 65,535
	MaxFiles int            // the most entries allowed; 0: 4,000,000
	Progress func(Progress) // called now and then from one goroutine; may be nil
	Mirror   string         // bootstrap: the mirror's URL; "": the one apt uses
	Packages []string       // bootstrap: packages added to a minimal system
	// At is the path that is opened in place of the source, whose name then only
	// stands in messages; "": the source is what it says.
	At string
	// Shared is inherited by what makes a release, which may go on for a moment
	// when its caller is killed; nil for nothing.
	Shared *os.File
	// Anonymous says to pull from a registry without this user's account.
	Anonymous bool
}

// Progress is how far the work has come. Total is 0 when unknown.
type Progress struct {
	Done, Total int64         // bytes of the source
	Entries     int           // files, directories and so on made so far
	Rate        float64       // bytes a second since the start
	Left        time.Duration // estimate; 0 when unknown
}

// Config is what an OCI image says about running it.
type Config struct {
	User       string
	WorkingDir string
	Entrypoint []string
	Cmd        []string
	Env        []string
	StopSignal string
}

// Result is what an unpacking has to tell.
type Result struct {
	Entries int
	Bytes   int64    // content written, holes not counted
	Notes   []string // what was left out or changed, one finding a line
	Config  *Config  // of an OCI image; nil otherwise
}

// Source is an opened source. It serves one Unpack or one Stream.
type Source struct {
	name   string
	kind   Kind
	opts   Options
	file   *os.File // Directory, Tar, OCILayout, OCIArchive, ZFSStream
	format compression
	stop   func() error // of the one that works on it
}

const (
	defaultMaxID    = 65535
	defaultMaxFiles = 4_000_000
)

// Open finds out what source is, unless opts say so, and opens it. Paths are
// resolved as the caller's; a prefix dir:, tar:, oci:, docker-archive:,
// docker:, zfs: or debian: settles the kind. The errors are those of open(2),
// ErrUnknown, and ErrTool.
func Open(source string, opts Options) (*Source, error) {
	if opts.MaxID == 0 {
		opts.MaxID = defaultMaxID
	}
	if opts.MaxFiles == 0 {
		opts.MaxFiles = defaultMaxFiles
	}
	s := &Source{name: source, opts: opts, kind: opts.Kind}
	if s.kind == Auto && opts.At == "" {
		s.name, s.kind = splitPrefix(source)
		if s.kind == Bootstrap && !s.allowed(Bootstrap) {
			s.name, s.kind = source, Auto // a reference with a tag, debian:trixie
		}
	}
	err := s.detect()
	if err == nil && !s.allowed(s.kind) {
		err = fmt.Errorf("%w: it is a %v", ErrUnknown, s.kind)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("open %s: %w", source, err)
	}
	return s, nil
}

func (s *Source) allowed(k Kind) bool {
	return len(s.opts.Only) == 0 || slices.Contains(s.opts.Only, k)
}

// Kind is what the source turned out to be.
func (s *Source) Kind() Kind { return s.kind }

// Name is the source as given, without a prefix for its kind.
func (s *Source) Name() string { return s.name }

// Close frees what Open holds. It may be called twice.
func (s *Source) Close() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.Close()
}

// Stream returns the decompressed bytes of a ZFSStream, or those that a
// ZFSSnapshot is sent as, for zfs receive. They end with ErrTruncated or
// ErrCorrupt where the compression can tell.
func (s *Source) Stream(ctx context.Context) (io.ReadCloser, error) {
	s.stop = ctx.Err
	switch s.kind {
	case ZFSStream:
	case ZFSSnapshot:
		return s.send(ctx)
	default:
		return nil, fmt.Errorf("%s is a %v, not a ZFS stream", s.name, s.kind)
	}
	m, err := s.fileMeter()
	if err != nil {
		return nil, err
	}
	return decompress(m.reader(s.file), s.format)
}

// Unpack fills the directory root, which must exist and be empty but for what
// the caller put there itself. On error the directory is left as far as the
// work had come. The notes of a failed unpacking come back too. Without the
// rights of root owners and privileged attributes are not kept.
func (s *Source) Unpack(ctx context.Context, root string) (*Result, error) {
	t, err := openTree(root, s.opts)
	if err != nil {
		return &Result{}, err
	}
	defer t.close()
	s.stop, t.interrupted = ctx.Err, ctx.Err
	res := &Result{}
	switch s.kind {
	case Directory:
		err = s.copyDirectory(ctx, t)
	case Tar:
		err = s.unpackTar(ctx, t)
	case OCILayout, OCIArchive, Registry:
		res.Config, err = s.unpackImage(ctx, t)
	case Bootstrap:
		err = s.bootstrap(ctx, t)
	default:
		err = ErrNotTree
	}
	if err == nil {
		err = t.finish()
	}
	res.Entries, res.Bytes, res.Notes = t.entries, t.written, t.notes.lines()
	if err != nil {
		return res, fmt.Errorf("unpack %s: %w", s.name, err)
	}
	return res, nil
}

// meter is for what adds up to total bytes; 0 when that is unknown.
func (s *Source) meter(total int64) *meter {
	return &meter{stop: s.stop, report: s.opts.Progress, start: time.Now(), total: total}
}

func (s *Source) fileMeter() (*meter, error) {
	m := s.meter(0)
	if s.file != nil {
		st, err := s.file.Stat()
		if err != nil {
			return nil, err
		}
		if st.Mode().IsRegular() {
			m.total = st.Size()
		}
	}
	return m, nil
}

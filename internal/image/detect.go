// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"golang.org/x/sys/unix"
)

var prefixes = []struct {
	word string
	kind Kind
}{
	{"dir:", Directory},
	{"tar:", Tar},
	{"oci:", OCILayout},
	{"oci-archive:", OCIArchive},
	{"docker-archive:", OCIArchive},
	{"docker://", Registry},
	{"docker:", Registry},
	{"zfs:", ZFSSnapshot},
	{"debian:", Bootstrap},
}

func splitPrefix(source string) (string, Kind) {
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(source, p.word); ok && rest != "" {
			// debian:trixie is a reference to a registry too; a bootstrap
			// is what its name says here, docker:debian:trixie the other.
			return rest, p.kind
		}
	}
	return source, Auto
}

// detect settles s.kind and opens what is a file.
func (s *Source) detect() error {
	switch s.kind {
	case Registry:
		_, err := name.ParseReference(s.name)
		return err
	case Bootstrap:
		return checkBootstrap(s.name, s.opts)
	case ZFSSnapshot:
		if !snapshotName(s.name) {
			return fmt.Errorf("%w: a snapshot is named DATASET@NAME", ErrUnknown)
		}
		return nil
	}
	at := s.opts.At
	if at == "" {
		at = s.name
	}
	f, err := openSource(at)
	if errors.Is(err, fs.ErrNotExist) && s.kind == Auto && s.opts.At == "" && !strings.HasPrefix(s.name, "/") {
		return s.detectName(err)
	}
	if err != nil {
		return err
	}
	s.file = f
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if st.IsDir() {
		return s.detectDirectory()
	}
	return s.detectFile(st)
}

// openSource opens without waiting, so that a FIFO with no writer is seen
// before it is read.
func openSource(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// detectName takes what is no file as the name of a snapshot or of an image.
func (s *Source) detectName(notFound error) error {
	if snapshotName(s.name) && s.allowed(ZFSSnapshot) {
		s.kind = ZFSSnapshot
		return nil
	}
	// A bare word is more often a misspelt file than an image: an image is
	// asked for with a slash, a tag or the prefix docker:.
	if s.allowed(Registry) && strings.ContainsAny(s.name, "/:") && !strings.HasPrefix(s.name, ".") {
		if _, err := name.ParseReference(s.name); err == nil {
			s.kind = Registry
			return nil
		}
	}
	return notFound
}

// snapshotName reports whether s looks like POOL[/DATASET...]@SNAPSHOT; the
// digest of an image (NAME@sha256:HEX) does not.
func snapshotName(s string) bool {
	dataset, snap, ok := strings.Cut(s, "@")
	return ok && dataset != "" && snap != "" && s[0] != '/' && s[0] != '-' &&
		!strings.ContainsAny(s, " \t\n") && !strings.ContainsAny(snap, "/@") &&
		!strings.HasPrefix(snap, "sha256:") && !strings.HasPrefix(snap, "sha512:")
}

func (s *Source) detectDirectory() error {
	if s.kind == Auto {
		s.kind = Directory
		if _, err := os.Lstat(filepath.Join(s.name, "oci-layout")); err == nil {
			s.kind = OCILayout
		}
	}
	if s.kind != Directory && s.kind != OCILayout {
		return unix.EISDIR
	}
	return nil
}

func (s *Source) detectFile(st fs.FileInfo) error {
	if s.kind == Directory || s.kind == OCILayout {
		return unix.ENOTDIR
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("%w: it is neither a file nor a directory", ErrUnknown)
	}
	var err error
	if s.format, err = sniff(s.file); err != nil {
		return err
	}
	head, err := s.head()
	if err != nil {
		return err
	}
	found := classify(head)
	switch {
	case found == Auto:
		return fmt.Errorf("%w: it is neither an archive nor an image", ErrUnknown)
	case s.kind == Auto, s.kind == Tar && found == Tar:
		s.kind = found
	case s.kind == Tar && found == OCIArchive:
		// An archive that holds a file manifest.json may still be wanted as
		// it is.
	case s.kind != found:
		return fmt.Errorf("%w: it is no %v", ErrUnknown, s.kind)
	}
	_, err = s.file.Seek(0, io.SeekStart)
	return err
}

// headSize is enough of an archive to see the members that tell its kind.
const headSize = 1 << 20

func (s *Source) head() ([]byte, error) {
	r, err := decompress(s.file, s.format)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	head := make([]byte, headSize)
	n, err := io.ReadFull(r, head)
	if n == 0 && err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return head[:n], nil
}

// dmuMagic begins the first record of a ZFS stream, in the byte order of the
// host that sent it, after a type and a length of four bytes each.
const dmuMagic = 0x2F5bacbac

func classify(head []byte) Kind {
	if len(head) >= 16 && (binary.LittleEndian.Uint64(head[8:]) == dmuMagic ||
		binary.BigEndian.Uint64(head[8:]) == dmuMagic) {
		return ZFSStream
	}
	tr := tar.NewReader(bytes.NewReader(head))
	first, blob := true, false
	for {
		h, err := tr.Next()
		if err != nil {
			// An archive of no member but its end is an archive.
			if first && (err != io.EOF || len(head) < 2*blockSize) {
				return Auto
			}
			// The layers of an image may come before what tells that it is one.
			if blob && len(head) == headSize {
				return OCIArchive
			}
			return Tar
		}
		first = false
		switch strings.TrimPrefix(h.Name, "./") {
		case "manifest.json", "oci-layout", "index.json":
			return OCIArchive
		case "repositories", "blobs/", "blobs/sha256/":
			continue
		}
		if blob = strings.HasPrefix(h.Name, "blobs/") || legacyLayer(h.Name); !blob {
			return Tar
		}
	}
}

// legacyLayer reports whether a member is what docker save put before
// manifest.json when layers were directories named by their id.
func legacyLayer(member string) bool {
	member = strings.TrimPrefix(strings.TrimPrefix(member, "./"), "sha256:")
	id, rest, _ := strings.Cut(member, "/")
	if config, ok := strings.CutSuffix(id, ".json"); ok && rest == "" {
		id = config
	}
	if len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "" {
		return strings.HasSuffix(id, ".tar.gz") && rest == ""
	}
	return true
}

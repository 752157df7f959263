// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

const blockSize = 512

// The blocks that become holes when they are zero: small in a file that is
// said to be sparse, larger in others so that they stay in one piece.
const (
	sparseBlock = 4 << 10
	plainBlock  = 64 << 10
)

// maxSparse bounds what the holes of an archive's sparse files may add up to:
// the bytes of holes are not in the archive, and yet cost time to pass over.
const maxSparse = 256 << 30

func (s *Source) unpackTar(ctx context.Context, t *tree) error {
	m, err := s.fileMeter()
	if err != nil {
		return err
	}
	t.meter = m
	z, err := decompress(m.reader(s.file), s.format)
	if err != nil {
		return err
	}
	defer z.Close()
	ahead := newReadAhead(&fuse{m: m, r: z})
	defer ahead.Close()
	return t.untar(ctx, ahead, &untarring{whole: true})
}

// untarring is what differs between an archive that is a root by itself and a
// layer of an image.
type untarring struct {
	whole  bool                // its end must be there, its directories are not replaced
	layer  bool                // whiteouts take away what earlier layers made
	made   map[string]struct{} // of a layer: its own members
	held   int                 // what those take in memory
	sparse int64               // bytes of sparse files so far
	read   *endReader
}

// remember notes a member of a layer, and the directories that it implies.
func (u *untarring) remember(t *tree, name string) error {
	const entry = 64 // what an entry takes besides its name
	n := len(name)   // of which the others are parts
	for ; name != "."; name = path.Dir(name) {
		if _, ok := u.made[name]; ok {
			break
		}
		n += entry
		u.made[name] = struct{}{}
	}
	u.held += n
	return t.hold(n)
}

// untar carries over all members of r. The rest of r is read, so that whatever
// checks the stream as a whole has seen all of it.
func (t *tree) untar(ctx context.Context, r io.Reader, u *untarring) error {
	in := &endReader{r: r}
	u.read = in
	tr := tar.NewReader(in)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return tarError(err)
		}
		if err := t.member(tr, h, u); err != nil {
			return &EntryError{h.Name, tarError(err)}
		}
	}
	if in.empty && u.whole {
		return fmt.Errorf("%w: its end mark is missing", ErrTruncated)
	}
	_, err := io.Copy(io.Discard, in)
	return err
}

// endReader notes whether the end of the stream was met: a whole archive ends
// with blocks that say so, which the reader of the archive stops at.
type endReader struct {
	r     io.Reader
	empty bool
	done  int64 // bytes passed
}

func (e *endReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.done += int64(n)
	if n == 0 && err == io.EOF {
		e.empty = true
	}
	return n, err
}

func tarError(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it ends within a member", ErrTruncated)
	case errors.Is(err, tar.ErrHeader):
		return fmt.Errorf("%w: a header is damaged", ErrCorrupt)
	case errors.Is(err, tar.ErrFieldTooLong):
		return fmt.Errorf("%w: a header is too long", ErrCorrupt)
	}
	return err
}

func (t *tree) member(tr *tar.Reader, h *tar.Header, u *untarring) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := clean(h.Name)
	if err != nil {
		return err
	}
	if u.layer {
		if done, err := t.whiteout(name, u); done || err != nil {
			return err
		}
		if err := u.remember(t, name); err != nil {
			return err
		}
	}
	m := tarMeta(h, t)
	deep := u.layer
	switch h.Typeflag {
	case tar.TypeDir, 'D':
		return t.mkdir(name, m, deep)
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return t.tarFile(tr, h, name, m, u)
	case tar.TypeLink:
		old, err := clean(h.Linkname)
		if err != nil {
			return fmt.Errorf("link to %q: %w", h.Linkname, err)
		}
		return t.link(name, old, deep)
	case tar.TypeSymlink:
		return t.symlink(name, h.Linkname, m, deep)
	case tar.TypeFifo:
		return t.fifo(name, m, deep)
	case tar.TypeChar, tar.TypeBlock:
		t.notes.add("device nodes skipped", name)
	case 'V':
	case 'M':
		return fmt.Errorf("%w: it is one of several volumes", ErrTruncated)
	default:
		t.notes.add(fmt.Sprintf("members of unknown type %q skipped", h.Typeflag), name)
	}
	return nil
}

func (t *tree) tarFile(tr *tar.Reader, h *tar.Header, name string, m meta, u *untarring) error {
	if strings.HasSuffix(h.Name, "/") { // how the oldest tar wrote directories
		return t.mkdir(name, m, u.layer)
	}
	block := plainBlock
	if sparse(h) {
		block = sparseBlock
		u.sparse += h.Size
		if h.Size > maxSparse || u.sparse > maxSparse {
			return fmt.Errorf("%w: its sparse files add up to more than %d bytes", ErrBomb, int64(maxSparse))
		}
	}
	return t.file(name, m, u.layer, func(fd int) error {
		return t.write(fd, &holeReader{tr, u.read}, h.Size, block)
	})
}

// holeReader tells the holes of a sparse member: the reader of archives makes
// them up without reading anything.
type holeReader struct {
	io.Reader
	under *endReader
}

func (h *holeReader) readChunk(p []byte) (n int, hole bool, err error) {
	before := h.under.done
	n, err = io.ReadFull(h.Reader, p)
	return n, h.under.done == before, err
}

func sparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

func tarMeta(h *tar.Header, t *tree) meta {
	m := meta{mode: uint32(h.Mode) & 0o7777, uid: h.Uid, gid: h.Gid, mtime: h.ModTime, atime: h.AccessTime}
	if len(h.PAXRecords) > 0 {
		owner := names{user: h.Uname, group: h.Gname, uid: h.Uid, gid: h.Gid}
		m.xattrs = paxXattrs(h.PAXRecords, owner, func(name string) {
			t.notes.add("attributes of the machine it came from left out", name)
		})
	}
	return m
}

// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
)

// An imageSpec is an OCI image ready to be unpacked, wherever it is kept.
type imageSpec struct {
	config *v1.ConfigFile
	layers []layer
}

type layer struct {
	digest v1.Hash // of the bytes as kept; zero when unknown
	diffID v1.Hash // of the archive in them
	size   int64
	open   func() (io.ReadCloser, error)
}

// unpackImage applies the layers of an image one upon the other. What came
// from a layer whose digest is wrong is in the tree when this is found; the
// error tells the caller to use none of it.
func (s *Source) unpackImage(ctx context.Context, t *tree) (*Config, error) {
	img, err := s.openImage(ctx, t)
	if err != nil {
		return nil, err
	}
	t.meter = s.meter(0)
	for _, l := range img.layers {
		t.meter.total += l.size
	}
	t.resolve = zoneLinks
	for i, l := range img.layers {
		if err := t.apply(ctx, l); err != nil {
			return nil, fmt.Errorf("layer %d of %d: %w", i+1, len(img.layers), err)
		}
	}
	c := img.config.Config
	return &Config{
		User: c.User, WorkingDir: c.WorkingDir, Entrypoint: c.Entrypoint,
		Cmd: c.Cmd, Env: c.Env, StopSignal: c.StopSignal,
	}, nil
}

func (s *Source) openImage(ctx context.Context, t *tree) (*imageSpec, error) {
	want, err := platform(s.opts.Platform)
	if err != nil {
		return nil, err
	}
	var img *imageSpec
	switch s.kind {
	case Registry:
		img, err = pull(ctx, s.name, want, s.opts.Anonymous)
	case OCILayout:
		img, err = layoutImage(&dirBlobs{int(s.file.Fd())}, want)
	default:
		blobs, berr := s.archiveBlobs(t)
		if berr != nil {
			return nil, berr
		}
		if blobs.has("manifest.json") {
			img, err = dockerImage(blobs)
		} else {
			img, err = layoutImage(blobs, want)
		}
	}
	if err != nil {
		return nil, err
	}
	c := img.config
	if c.OS != "" && c.OS != want.OS || c.Architecture != "" && c.Architecture != want.Architecture {
		return nil, fmt.Errorf("%w: it is for %s/%s, not %s", ErrPlatform, c.OS, c.Architecture, want)
	}
	if n := len(c.RootFS.DiffIDs); n != len(img.layers) {
		return nil, fmt.Errorf("%w: %d layers, %d in its configuration", ErrCorrupt, len(img.layers), n)
	}
	for i := range img.layers {
		img.layers[i].diffID = c.RootFS.DiffIDs[i]
	}
	return img, nil
}

func platform(s string) (*v1.Platform, error) {
	if s == "" {
		return &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}, nil
	}
	p, err := v1.ParsePlatform(s)
	if err != nil || p.OS == "" || p.Architecture == "" {
		return nil, fmt.Errorf("malformed platform %q: it is OS/ARCH", s)
	}
	return p, nil
}

// apply unpacks one layer and compares both of its digests.
func (t *tree) apply(ctx context.Context, l layer) error {
	raw, err := l.open()
	if err != nil {
		return err
	}
	defer raw.Close()
	kept, err := newVerifier(t.meter.reader(raw), l.digest)
	if err != nil {
		return err
	}
	head := make([]byte, 8)
	n, err := io.ReadFull(kept, head)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return err
	}
	z, err := decompress(io.MultiReader(strings.NewReader(string(head[:n])), kept), format(head[:n]))
	if err != nil {
		return err
	}
	defer z.Close()
	archive, err := newVerifier(&fuse{m: t.meter, r: z}, l.diffID)
	if err != nil {
		return err
	}
	ahead := newReadAhead(archive)
	u := &untarring{layer: true, made: map[string]struct{}{}}
	err = t.untar(ctx, ahead, u)
	t.held -= u.held
	ahead.Close()
	if err == nil {
		err = archive.check()
	}
	if err == nil {
		// Whatever follows the compressed data is part of the digest too.
		if _, err = io.Copy(io.Discard, kept); err == nil {
			err = kept.check()
		}
	}
	return err
}

// A verifier passes a stream on and knows at its end whether it was the one
// with the digest. A zero digest matches all.
type verifier struct {
	r    io.Reader
	want v1.Hash
	sum  hash.Hash
}

func newVerifier(r io.Reader, want v1.Hash) (*verifier, error) {
	v := &verifier{r: r, want: want}
	switch want.Algorithm {
	case "":
	case "sha256":
		v.sum = sha256.New()
	case "sha512":
		v.sum = sha512.New()
	default:
		return nil, fmt.Errorf("%w: unknown algorithm %q", ErrDigest, want.Algorithm)
	}
	return v, nil
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	if v.sum != nil {
		v.sum.Write(p[:n])
	}
	return n, err
}

func (v *verifier) check() error {
	if v.sum == nil {
		return nil
	}
	if got := hex.EncodeToString(v.sum.Sum(nil)); got != v.want.Hex {
		return fmt.Errorf("%w: it should be %s and is %s", ErrDigest, v.want, got)
	}
	return nil
}

// The names by which a layer takes things away, from the OCI image
// specification, "Image Layer Filesystem Changeset".
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
	whiteoutMeta   = ".wh..wh."
)

// whiteout carries out a member that takes something away, and says whether it
// was one. Only what earlier layers made goes.
func (t *tree) whiteout(name string, u *untarring) (bool, error) {
	dir, base := path.Split(name)
	dir = path.Clean(dir)
	switch {
	case !strings.HasPrefix(base, whiteoutPrefix):
		return false, nil
	case base == whiteoutOpaque:
		return true, t.emptyDirectory(dir, 0, u.made)
	case strings.HasPrefix(base, whiteoutMeta):
		return true, nil
	}
	base = strings.TrimPrefix(base, whiteoutPrefix)
	if base == "" || base == "." || base == ".." {
		return true, fmt.Errorf("%w: it takes away %q", ErrEscape, base)
	}
	gone := path.Join(dir, base)
	if _, ok := u.made[gone]; ok {
		return true, nil
	}
	return true, t.remove(gone)
}

// remove takes name away if it is there.
func (t *tree) remove(name string) error {
	dir, base := path.Split(name)
	fd, err := t.open(path.Clean(dir), unix.O_PATH|unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	defer t.forget()
	if err := t.removeAll(fd, base, name, 0); err != nil && err != unix.ENOENT {
		return err
	}
	return nil
}

// emptyDirectory takes away what dir holds except the members in keep and what
// leads to them.
func (t *tree) emptyDirectory(dir string, flags int, keep map[string]struct{}) error {
	fd, err := t.open(dir, unix.O_RDONLY|unix.O_DIRECTORY|flags)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	members, err := readNames(fd, dir)
	if err != nil {
		return err
	}
	for _, member := range members {
		name := path.Join(dir, member)
		if _, kept := keep[name]; kept {
			// It may stand for a directory of both layers, but not for one that
			// it is a link to.
			err = t.emptyDirectory(name, unix.O_NOFOLLOW, keep)
		} else {
			err = t.remove(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

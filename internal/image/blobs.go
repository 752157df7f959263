// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sys/unix"
)

// blobs is where an image is kept as files: a folder, or an archive of one.
type blobs interface {
	open(name string) (io.ReadCloser, int64, error)
}

// The bounds of what is read into memory of an image.
const (
	maxDocument = 8 << 20 // a manifest or configuration
	maxMembers  = 100_000 // files in an archive
	maxNesting  = 4       // indexes within indexes
	maxIndexes  = 100     // of them altogether: each may name one often
)

func document(b blobs, name string, want v1.Hash, into any) error {
	f, _, err := b.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	v, err := newVerifier(f, want)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(io.LimitReader(v, maxDocument+1))
	if err != nil {
		return err
	}
	if len(raw) > maxDocument {
		return fmt.Errorf("%w: %q is larger than %d bytes", ErrCorrupt, name, maxDocument)
	}
	if err := v.check(); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%w: %q: %w", ErrCorrupt, name, err)
	}
	return nil
}

func blobName(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

// layoutImage reads the image for a platform from an OCI layout.
func layoutImage(b blobs, want *v1.Platform) (*imageSpec, error) {
	var index v1.IndexManifest
	if err := document(b, "index.json", v1.Hash{}, &index); err != nil {
		return nil, err
	}
	left := maxIndexes
	desc, err := choose(b, &index, want, maxNesting, &left)
	if err != nil {
		return nil, err
	}
	var manifest v1.Manifest
	if err := document(b, blobName(desc.Digest), desc.Digest, &manifest); err != nil {
		return nil, err
	}
	img := &imageSpec{config: &v1.ConfigFile{}}
	if err := document(b, blobName(manifest.Config.Digest), manifest.Config.Digest, img.config); err != nil {
		return nil, err
	}
	for _, d := range manifest.Layers {
		img.layers = append(img.layers, layer{digest: d.Digest, size: d.Size, open: func() (io.ReadCloser, error) {
			f, _, err := b.open(blobName(d.Digest))
			return f, err
		}})
	}
	return img, nil
}

// choose finds the manifest for a platform in an index. A manifest without a
// platform is anybody's, when it is the only one. left is how many more indexes
// are looked into.
func choose(b blobs, index *v1.IndexManifest, want *v1.Platform, nesting int, left *int) (*v1.Descriptor, error) {
	if nesting == 0 {
		return nil, fmt.Errorf("%w: its indexes nest too deep", ErrCorrupt)
	}
	if *left--; *left < 0 {
		return nil, fmt.Errorf("%w: it has more than %d indexes", ErrEntries, maxIndexes)
	}
	var images []v1.Descriptor
	for _, d := range index.Manifests {
		if d.MediaType.IsIndex() {
			var inner v1.IndexManifest
			if err := document(b, blobName(d.Digest), d.Digest, &inner); err != nil {
				return nil, err
			}
			if found, err := choose(b, &inner, want, nesting-1, left); err == nil || !errors.Is(err, ErrPlatform) {
				return found, err
			}
			continue
		}
		if d.MediaType.IsImage() || d.MediaType == "" {
			images = append(images, d)
		}
	}
	return pick(images, want)
}

// pick chooses among the images of one index.
func pick(images []v1.Descriptor, want *v1.Platform) (*v1.Descriptor, error) {
	for _, d := range images {
		if d.Platform != nil && d.Platform.Satisfies(*want) {
			return &d, nil
		}
	}
	if len(images) == 1 && images[0].Platform == nil {
		return &images[0], nil
	}
	bare := 0
	for _, d := range images {
		if d.Platform == nil {
			bare++
		}
	}
	if bare > 1 {
		return nil, fmt.Errorf("%w: it holds %d images and does not say for what", ErrPlatform, bare)
	}
	return nil, fmt.Errorf("%w, %s", ErrPlatform, want)
}

// dockerImage reads the image in the output of docker save.
func dockerImage(b blobs) (*imageSpec, error) {
	var manifests []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	if err := document(b, "manifest.json", v1.Hash{}, &manifests); err != nil {
		return nil, err
	}
	if len(manifests) != 1 {
		var tags []string
		for _, m := range manifests {
			tags = append(tags, m.RepoTags...)
		}
		return nil, fmt.Errorf("the archive holds %d images %q, and one is needed", len(manifests), tags)
	}
	m := manifests[0]
	img := &imageSpec{config: &v1.ConfigFile{}}
	// The configuration is named by its digest.
	var want v1.Hash
	if hex := strings.TrimPrefix(strings.TrimSuffix(path.Base(m.Config), ".json"), "sha256:"); len(hex) == 64 {
		want = v1.Hash{Algorithm: "sha256", Hex: hex}
	}
	if err := document(b, m.Config, want, img.config); err != nil {
		return nil, err
	}
	for _, file := range m.Layers {
		f, size, err := b.open(file)
		if err != nil {
			return nil, err
		}
		f.Close()
		img.layers = append(img.layers, layer{size: size, open: func() (io.ReadCloser, error) {
			f, _, err := b.open(file)
			return f, err
		}})
	}
	return img, nil
}

// dirBlobs is a folder, looked into without leaving it.
type dirBlobs struct{ fd int }

func (d *dirBlobs) open(name string) (io.ReadCloser, int64, error) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	}
	fd, err := unix.Openat2(d.fd, name, &how)
	if err != nil {
		return nil, 0, fmt.Errorf("open %s in the layout: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%w: %s in the layout is no file", ErrCorrupt, name)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

// tarBlobs is an archive whose members are found by their place in the file.
type tarBlobs struct {
	file    *os.File
	members map[string]blobMember
}

type blobMember struct {
	off, size int64
	link      string
}

func (b *tarBlobs) has(name string) bool {
	_, ok := b.members[name]
	return ok
}

func (b *tarBlobs) open(name string) (io.ReadCloser, int64, error) {
	m, ok := b.members[path.Clean(name)]
	// docker save once wrote a layer that occurs twice as a link.
	for hops := 0; ok && m.link != "" && hops < 8; hops++ {
		m, ok = b.members[m.link]
	}
	if !ok || m.link != "" {
		return nil, 0, fmt.Errorf("%w: it lacks %q", ErrTruncated, name)
	}
	return io.NopCloser(io.NewSectionReader(b.file, m.off, m.size)), m.size, nil
}

// archiveBlobs finds the members of s. A compressed archive is decompressed
// into a nameless file in the tree's file system first.
func (s *Source) archiveBlobs(t *tree) (*tarBlobs, error) {
	if s.format != plain {
		if err := s.inflate(t); err != nil {
			return nil, err
		}
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	b := &tarBlobs{file: s.file, members: map[string]blobMember{}}
	st, err := s.file.Stat()
	if err != nil {
		return nil, err
	}
	tr := tar.NewReader(s.file)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return nil, tarError(err)
		}
		// The reader of archives reads headers unbuffered: the place after
		// one is where the member begins.
		off, err := s.file.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		m := blobMember{off: off, size: h.Size}
		switch h.Typeflag {
		case tar.TypeReg:
			if off+h.Size > st.Size() {
				return nil, fmt.Errorf("%w: it ends within %q", ErrTruncated, h.Name)
			}
		case tar.TypeSymlink:
			m.link = path.Join(path.Dir(path.Clean(h.Name)), h.Linkname)
		case tar.TypeLink:
			m.link = path.Clean(h.Linkname)
		default:
			continue
		}
		if len(b.members) >= maxMembers {
			return nil, fmt.Errorf("%w: more than %d in an image", ErrEntries, maxMembers)
		}
		b.members[path.Clean(h.Name)] = m
	}
}

func (s *Source) inflate(t *tree) error {
	m, err := s.fileMeter()
	if err != nil {
		return err
	}
	z, err := decompress(m.reader(s.file), s.format)
	if err != nil {
		return err
	}
	defer z.Close()
	fd, err := unix.Openat(t.root, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	var to *os.File
	if err == nil {
		to = os.NewFile(uintptr(fd), "image")
	} else {
		if to, err = os.CreateTemp("/var/tmp", "zone-image-"); err != nil {
			return err
		}
		os.Remove(to.Name())
	}
	if _, err := io.Copy(to, &fuse{m: m, r: z}); err != nil {
		to.Close()
		return err
	}
	s.file.Close()
	s.file, s.format = to, plain
	return nil
}

func readNames(fd int, name string) ([]string, error) {
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	return f.Readdirnames(-1)
}

// pull describes an image in a registry; its layers are fetched as they are
// applied. Credentials, unless none are to be used, are those that docker login
// or podman login left.
func pull(ctx context.Context, reference string, want *v1.Platform, anonymous bool) (*imageSpec, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, err
	}
	account := remote.WithAuthFromKeychain(authn.DefaultKeychain)
	if anonymous {
		account = remote.WithAuth(authn.Anonymous)
	}
	desc, err := remote.Get(ref, remote.WithContext(ctx), remote.WithPlatform(*want), account,
		remote.WithTransport(refusals{remote.DefaultTransport}))
	if err != nil {
		return nil, err
	}
	if desc.MediaType == types.DockerManifestSchema1 || desc.MediaType == types.DockerManifestSchema1Signed {
		return nil, fmt.Errorf("%w: its manifest is of the obsolete first schema", ErrUnknown)
	}
	img, err := variant(desc, want)
	if err != nil {
		return nil, err
	}
	manifest, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	if size := manifest.Config.Size; size < 0 || size > maxDocument {
		return nil, fmt.Errorf("%w: its configuration is said to be of %d bytes", ErrCorrupt, size)
	}
	spec := &imageSpec{}
	if spec.config, err = img.ConfigFile(); err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	for _, l := range layers {
		digest, err := l.Digest()
		if err != nil {
			return nil, err
		}
		size, err := l.Size()
		if err != nil {
			return nil, err
		}
		spec.layers = append(spec.layers, layer{digest: digest, size: size, open: l.Compressed})
	}
	return spec, nil
}

// refusals bounds what a registry says in place of what it is asked for, all of
// which is read.
type refusals struct{ http.RoundTripper }

func (r refusals) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.RoundTripper.RoundTrip(req)
	if err == nil && resp.StatusCode >= http.StatusMultipleChoices {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxDocument), resp.Body}
	}
	return resp, err
}

// variant is the image that a reference names, or the one for the platform of
// those it names.
func variant(desc *remote.Descriptor, want *v1.Platform) (v1.Image, error) {
	if !desc.MediaType.IsIndex() {
		return desc.Image()
	}
	index, err := desc.ImageIndex()
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	chosen, err := pick(manifest.Manifests, want)
	if err != nil {
		return nil, err
	}
	return index.Image(chosen.Digest)
}

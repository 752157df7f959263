// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// testLayers are a base and what two more layers make of it.
func testLayers(t *testing.T) [][]byte {
	return [][]byte{
		archive(t, dir("etc"), reg("etc/a", "a1"), reg("etc/b", "b1"), dir("var"), dir("var/old"), reg("var/old/x", "x"),
			dir("run"), sym("var/run", "/run"), dir("opt"), dir("opt/in"), reg("opt/in/gone", "g"), reg("opt/file", "f"),
			dir("swap"), reg("swap/x", "x"), reg("plain", "p"), dir("late"), reg("late/old", "o"), dir("kept"), reg("kept/in", "k")),
		archive(t, reg("etc/.wh.a", ""), reg("etc/b", "b2"), reg("var/.wh.old", ""), reg("var/run/pid", "7"),
			dir("opt"), reg("opt/.wh..wh..opq", ""), reg("opt/new", "n"), reg("swap", "now a file"), dir("plain"),
			dir("late"), sym("late/link", "../kept"), reg("late/.wh..wh..opq", "")),
		archive(t, reg("opt/.wh.file", ""), reg("etc/c", "c3"), hard("etc/d", "etc/b"), reg("etc/.wh.never", ""),
			reg("plain/in", "x"), reg("etc/.wh..wh.plnk", "")),
	}
}

const wantTree = "etc/ etc/b=b2 etc/c=c3 etc/d=b2 kept/ kept/in=k late/ late/link@../kept opt/ opt/new=n plain/ plain/in=x run/ run/pid=7 swap=now a file var/ var/run@/run"

func testImage(t *testing.T, arch string, layers [][]byte) v1.Image {
	t.Helper()
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		OS: "linux", Architecture: arch,
		Config: v1.Config{Cmd: []string{"/bin/app"}, Env: []string{"A=b"}, User: "app"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range layers {
		l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil })
		if err != nil {
			t.Fatal(err)
		}
		if img, err = mutate.AppendLayers(img, l); err != nil {
			t.Fatal(err)
		}
	}
	return img
}

// list writes a tree down as one line.
func list(t *testing.T, root string) string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		switch {
		case d.IsDir():
			found = append(found, rel+"/")
		case d.Type()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(path)
			found = append(found, rel+"@"+to)
		default:
			raw, _ := os.ReadFile(path)
			found = append(found, rel+"="+string(raw))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return strings.Join(found, " ")
}

func unpackSource(t *testing.T, source string, opts Options) (string, *Result, error) {
	t.Helper()
	y := newYard(t)
	s, err := Open(source, opts)
	if err != nil {
		return y.root, nil, err
	}
	defer s.Close()
	res, err := s.Unpack(context.Background(), y.root)
	y.untouched(t)
	return y.root, res, err
}

// keptImages writes one image in every form that images are kept in.
func keptImages(t *testing.T, img v1.Image) map[string]string {
	t.Helper()
	top := t.TempDir()
	folder := filepath.Join(top, "layout")
	path, err := layout.Write(folder, empty.Index)
	if err == nil {
		err = path.AppendImage(img, layout.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}))
	}
	saved := filepath.Join(top, "saved.tar")
	if err == nil {
		tag, terr := name.NewTag("example.com/app:1")
		err = errors.Join(terr, tarball.WriteToFile(saved, tag, img))
	}
	oci := filepath.Join(top, "oci.tar")
	var b bytes.Buffer
	if err == nil {
		w := tar.NewWriter(&b)
		err = errors.Join(w.AddFS(os.DirFS(folder)), w.Close(), os.WriteFile(oci, b.Bytes(), 0o600))
	}
	packed := filepath.Join(top, "oci.tar.gz")
	if err == nil {
		err = os.WriteFile(packed, compressors["gzip"](t, b.Bytes()), 0o600)
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	ref := strings.TrimPrefix(server.URL, "http://") + "/app:1"
	if err == nil {
		err = push(ref, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"layout": folder, "docker save": saved, "oci archive": oci, "compressed": packed, "registry": ref}
}

func push(ref string, img v1.Image) error {
	r, err := name.ParseReference(ref)
	if err != nil {
		return err
	}
	other, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "s390x"})
	if err != nil {
		return err
	}
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: other, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "s390x"}}},
		mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}}})
	return remote.WriteIndex(r, index)
}

func TestImages(t *testing.T) {
	kinds := map[string]Kind{"layout": OCILayout, "docker save": OCIArchive, "oci archive": OCIArchive, "compressed": OCIArchive, "registry": Registry}
	for form, source := range keptImages(t, testImage(t, runtime.GOARCH, testLayers(t))) {
		t.Run(form, func(t *testing.T) {
			s, err := Open(source, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if s.Kind() != kinds[form] {
				t.Errorf("kind %v", s.Kind())
			}
			s.Close()
			var last Progress
			root, res, err := unpackSource(t, source, Options{Progress: func(p Progress) { last = p }})
			if err != nil {
				t.Fatal(err)
			}
			if got := list(t, root); got != wantTree {
				t.Errorf("got  %s\nwant %s", got, wantTree)
			}
			if res.Config == nil || res.Config.User != "app" || fmt.Sprint(res.Config.Cmd, res.Config.Env) != "[/bin/app] [A=b]" {
				t.Errorf("config %+v", res.Config)
			}
			if last.Total == 0 || last.Done != last.Total {
				t.Errorf("progress ends at %d of %d", last.Done, last.Total)
			}
			if _, _, err := unpackSource(t, source, Options{Platform: "linux/mips"}); !errors.Is(err, ErrPlatform) {
				t.Errorf("foreign platform: %v", err)
			}
		})
	}
}

// Layers that are larger than what is looked at stand before the members that
// tell what an archive is.
func TestLargeLayersFirst(t *testing.T) {
	noise := make([]byte, 2*headSize)
	rand.New(rand.NewSource(1)).Read(noise)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := errors.Join(w.WriteHeader(&tar.Header{Name: "noise", Mode: 0o644, Size: int64(len(noise)), Typeflag: tar.TypeReg}))
	_, werr := w.Write(noise)
	if err := errors.Join(err, werr, w.Close()); err != nil {
		t.Fatal(err)
	}
	for form, source := range keptImages(t, testImage(t, runtime.GOARCH, [][]byte{b.Bytes()})) {
		root, _, err := unpackSource(t, source, Options{})
		if err != nil {
			t.Errorf("%s: %v", form, err)
			continue
		}
		if info, err := os.Stat(filepath.Join(root, "noise")); err != nil || info.Size() != int64(len(noise)) {
			t.Errorf("%s: %v", form, err)
		}
	}
}

func TestHostileLayers(t *testing.T) {
	for _, c := range []struct {
		name    string
		members []member
		want    error
	}{
		{"whiteout dotdot", []member{reg("a/../../.wh.outside", "")}, ErrEscape},
		{"whiteout of dotdot", []member{reg("etc/.wh...", "")}, ErrEscape},
		{"whiteout of dot", []member{reg("etc/.wh..", "")}, ErrEscape},
		{"whiteout of nothing", []member{reg("etc/.wh.", "")}, ErrEscape},
		{"whiteout through link", []member{sym("l", "../../outside"), reg("l/.wh.secret", "")}, nil},
		{"opaque through link", []member{sym("l", "../../../../outside"), reg("l/.wh..wh..opq", "")}, nil},
		{"file through link", []member{dir("etc"), sym("l", "/etc"), reg("l/x", "x")}, nil},
		{"escape through link", []member{sym("l", "../../outside"), reg("l/secret", "x")}, ErrEscape},
		{"opaque root", []member{reg(".wh..wh..opq", "")}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := testImage(t, runtime.GOARCH, [][]byte{archive(t, reg("base", "x")), archive(t, c.members...)})
			folder := filepath.Join(t.TempDir(), "layout")
			path, err := layout.Write(folder, empty.Index)
			if err == nil {
				err = path.AppendImage(img)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := unpackSource(t, folder, Options{}); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

// What a layer said of a directory that a later one takes away is said of no
// other that the name leads to then.
func TestDirectoriesOfEarlierLayers(t *testing.T) {
	closed := func(name string) member {
		return member{tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o700}, ""}
	}
	img := testImage(t, runtime.GOARCH, [][]byte{
		archive(t, dir("usr"), dir("usr/lib"), dir("usr/lib/sub"), dir("lib"), closed("lib/sub"), closed("gone"), closed("kept")),
		archive(t, sym("lib", "usr/lib"), reg(".wh.gone", "")),
		archive(t, reg("gone/x", "x"), reg("kept/x", "x")),
	})
	for form, source := range keptImages(t, img) {
		root, _, err := unpackSource(t, source, Options{})
		if err != nil {
			t.Errorf("%s: %v", form, err)
			continue
		}
		for name, want := range map[string]os.FileMode{"usr/lib/sub": 0o755, "gone": 0o755, "kept": 0o700} {
			if info, err := os.Stat(filepath.Join(root, name)); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %s: %v, %v", form, name, info, err)
			}
		}
	}
}

// TestDamagedImages spoils each file of a layout in turn.
func TestDamagedImages(t *testing.T) {
	folder := keptImages(t, testImage(t, runtime.GOARCH, testLayers(t)))["layout"]
	blobs, err := filepath.Glob(filepath.Join(folder, "blobs", "sha256", "*"))
	if err != nil || len(blobs) != 5 {
		t.Fatalf("%d blobs, %v", len(blobs), err)
	}
	for _, blob := range blobs {
		good, err := os.ReadFile(blob)
		if err != nil {
			t.Fatal(err)
		}
		for name, spoil := range map[string]func() error{
			"flipped": func() error { return os.WriteFile(blob, flip(good, len(good)/2), 0o600) },
			"short":   func() error { return os.WriteFile(blob, good[:len(good)-3], 0o600) },
			"longer":  func() error { return os.WriteFile(blob, append(slices.Clone(good), ' '), 0o600) },
			"missing": func() error { return os.Remove(blob) },
			"fifo":    func() error { return errors.Join(os.Remove(blob), mkfifo(blob)) },
			"link out": func() error {
				return errors.Join(os.Remove(blob), os.Symlink("/etc/passwd", blob))
			},
		} {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			if _, _, err := unpackSource(t, folder, Options{}); err == nil {
				t.Errorf("%s %s: it was taken", filepath.Base(blob)[:8], name)
			}
			os.Remove(blob)
			if err := os.WriteFile(blob, good, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, _, err := unpackSource(t, folder, Options{}); err != nil {
		t.Errorf("mended: %v", err)
	}
}

// An index may name another one as often as it likes, and a registry may have
// anything to say: neither takes time or memory without an end.
func TestEndlessImages(t *testing.T) {
	folder := t.TempDir()
	name := ""
	for depth := range maxNesting {
		index := &v1.IndexManifest{SchemaVersion: 2}
		for range 20 {
			d := v1.Descriptor{MediaType: types.OCIImageIndex, Digest: v1.Hash{Algorithm: "sha256", Hex: name}}
			if depth == 0 {
				d.MediaType, d.Digest.Hex = types.OCIManifestSchema1, strings.Repeat("0", 64)
				d.Platform = &v1.Platform{OS: "plan9", Architecture: "mips"}
			}
			index.Manifests = append(index.Manifests, d)
		}
		raw, err := json.Marshal(index)
		if err != nil {
			t.Fatal(err)
		}
		name = fmt.Sprintf("%x", sha256.Sum256(raw))
		file := filepath.Join(folder, "blobs", "sha256", name)
		if depth == maxNesting-1 {
			file = filepath.Join(folder, "index.json")
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, raw, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "oci-layout"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := unpackSource(t, folder, Options{}); !errors.Is(err, ErrEntries) {
		t.Errorf("indexes without an end: %v", err)
	}

	config := []byte(`{"os":"linux"}`)
	manifest := func(size int64) []byte {
		d := v1.Descriptor{MediaType: types.OCIConfigJSON, Size: size, Digest: v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", sha256.Sum256(config))}}
		raw, err := json.Marshal(&v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: d})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	asked, wrote := "", 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var raw []byte
		switch {
		case r.URL.Path == "/v2/":
		case strings.HasSuffix(r.URL.Path, "/refused"):
			w.WriteHeader(http.StatusTeapot)
			for wrote < 64<<20 {
				n, err := w.Write(make([]byte, 1<<20))
				if wrote += n; err != nil {
					return
				}
			}
		case strings.HasSuffix(r.URL.Path, "/large"):
			raw = manifest(1 << 40)
		case strings.HasSuffix(r.URL.Path, "/unknown"):
			raw = manifest(-1)
		default:
			asked = r.URL.Path
		}
		w.Header().Set("Content-Type", string(types.OCIManifestSchema1))
		_, _ = w.Write(raw)
	}))
	t.Cleanup(server.Close)
	for _, tag := range []string{"large", "unknown", "refused"} {
		_, _, err := unpackSource(t, "docker:"+strings.TrimPrefix(server.URL, "http://")+"/app:"+tag, Options{})
		if err == nil || tag != "refused" && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", tag, err)
		}
	}
	if asked != "" || wrote >= 64<<20 {
		t.Errorf("asked for %s, and read %d bytes", asked, wrote)
	}
}

// TestAccount pulls what needs an account, which only who may use it does.
func TestAccount(t *testing.T) {
	open := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	locked := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, word, _ := r.BasicAuth(); locked && (user != "root" || word != "word") {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		open.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	if err := push(host+"/app:1", testImage(t, runtime.GOARCH, testLayers(t))); err != nil {
		t.Fatal(err)
	}
	locked = true
	accounts := t.TempDir()
	text := fmt.Sprintf(`{"auths": {%q: {"username": "root", "password": "word"}}}`, host)
	if err := os.WriteFile(filepath.Join(accounts, "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", accounts)
	if _, _, err := unpackSource(t, "docker:"+host+"/app:1", Options{}); err != nil {
		t.Errorf("with the account: %v", err)
	}
	if _, _, err := unpackSource(t, "docker:"+host+"/app:1", Options{Anonymous: true}); err == nil {
		t.Error("the account was used for somebody else")
	}
}

// A release and an image can be spelt alike: what may be one alone is that.
func TestReleaseOrImage(t *testing.T) {
	const name = "debian:none"
	s, err := Open(name, Options{Only: []Kind{OCILayout, OCIArchive, Registry}})
	if err != nil || s.Kind() != Registry || s.Name() != name {
		t.Fatalf("wanted as an image: %+v, %v", s, err)
	}
	s, err = Open("docker:"+name, Options{})
	if err != nil || s.Kind() != Registry || s.Name() != name {
		t.Fatalf("with a prefix: %+v, %v", s, err)
	}
	s, err = Open(name, Options{})
	if err == nil && s.Kind() != Bootstrap || err != nil && !errors.Is(err, ErrTool) {
		t.Fatalf("without a word: %+v, %v", s, err)
	}
}

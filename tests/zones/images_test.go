// SPDX-License-Identifier: Apache-2.0

//go:build vm

package zones

import (
	"archive/tar"
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
)

// images makes, of the small image, two of OCI: system, which it is, and app,
// a program over it that writes down how it was started. They are kept as
// other tools keep them: below DIR as layouts and as archives, and in a registry
// that is served until the scenario ends.
func images(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: images DIR")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	base, err := tarball.LayerFromOpener(openMini)
	ts.Check(err)
	system, err := mutate.AppendLayers(empty.Image, base)
	ts.Check(err)
	system = configured(ts, system, v1.Config{Cmd: []string{"/bin/sh"}})

	over, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return appLayer() })
	ts.Check(err)
	app, err := mutate.AppendLayers(system, over)
	ts.Check(err)
	app = configured(ts, app, v1.Config{
		Entrypoint: []string{"said", "one word"}, Cmd: []string{"two"}, User: "user", WorkingDir: "/srv/app",
		Env: []string{"PATH=/opt/bin:/usr/bin:/bin", "GREETING=hello world"}, StopSignal: "SIGINT",
	})
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	ts.Defer(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	ts.Setenv("REGISTRY", host)
	for what, image := range map[string]v1.Image{"system": system, "app": app} {
		ref, err := name.ParseReference(host + "/test/" + what + ":1")
		ts.Check(err)
		ts.Check(remote.Write(ref, image))
		ts.Check(tarball.WriteToFile(filepath.Join(dir, what+".docker.tar"), ref, image))
		path, err := layout.Write(filepath.Join(dir, what), empty.Index)
		ts.Check(err)
		ts.Check(path.AppendImage(image))
		ts.Check(ts.Exec("tar", "-C", string(path), "-cf", filepath.Join(dir, what+".oci.tar"), "oci-layout", "index.json", "blobs"))
	}
}

func configured(ts *testscript.TestScript, image v1.Image, c v1.Config) v1.Image {
	file, err := image.ConfigFile()
	ts.Check(err)
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Config = "linux", "amd64", c
	image, err = mutate.ConfigFile(image, file)
	ts.Check(err)
	return image
}

func openMini() (io.ReadCloser, error) {
	f, err := os.Open(miniImage)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
	if err != nil {
		f.Close()
		return nil, err
	}
	return both{z.IOReadCloser(), f}, nil
}

// both closes what is read and what it is read from.
type both struct {
	io.ReadCloser
	under io.Closer
}

func (b both) Close() error {
	b.ReadCloser.Close()
	return b.under.Close()
}

const saidScript = `#!/bin/sh
{ echo "args:$*"; echo "second:$2"; echo "id:$(id -u):$(id -g)"; echo "dir:$(pwd)"; echo "greeting:$GREETING"; echo log >/dev/stderr && echo "logs:yes"; echo "home:$HOME"; } >said
trap 'echo bye >>said; exit 0' INT
while :; do sleep 1; done
`

// appLayer is a program, a folder for it, and what takes files of the layer
// below away: one by name, and all of a folder's.
func appLayer() (io.ReadCloser, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range []struct {
		name string
		mode int64
		uid  int
		text string
	}{
		{"opt/bin/", 0o755, 0, ""}, {"opt/bin/said", 0o755, 0, saidScript}, {"srv/app/", 0o755, 1000, ""},
		{"etc/.wh.os-release", 0o600, 0, ""}, {"home/", 0o755, 0, ""}, {"home/.wh..wh..opq", 0o600, 0, ""},
	} {
		h := &tar.Header{Name: m.name, Mode: m.mode, Uid: m.uid, Gid: m.uid, Size: int64(len(m.text)), Typeflag: tar.TypeReg}
		if strings.HasSuffix(m.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, m.text); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return io.NopCloser(&b), nil
}

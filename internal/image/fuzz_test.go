// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// FuzzUnpack unpacks whatever it is given, as an archive and as the second
// layer of an image, and looks at what is beside the root.
func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, dir("a"), reg("a/b", "x"), sym("l", "../.."), hard("h", "a/b")), false)
	f.Add(archive(f, sym("l", "/"), reg("l/x", "x"), reg("../y", "y"), reg("a/.wh..wh..opq", "")), true)
	f.Add(archive(f, dir("etc"), reg(".wh.etc", ""), reg("etc/.wh.x", ""), dir("d"), sym("d", "../../outside")), true)
	small := slices.DeleteFunc(richMembers(), func(m member) bool { return len(m.body) > 1000 })
	f.Add(archive(f, small...), false)
	top := f.TempDir()
	if shm, err := os.MkdirTemp("/dev/shm", "image-fuzz-"); err == nil {
		top = shm
		f.Cleanup(func() { os.RemoveAll(shm) })
	}
	f.Fuzz(func(t *testing.T, raw []byte, asLayer bool) {
		work, err := os.MkdirTemp(top, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(work)
		y := yard{filepath.Join(work, "zone", "root"), filepath.Join(work, "outside")}
		if err := os.MkdirAll(y.root, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(y.outside, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(y.outside, "secret"), []byte("untouched"), 0o644); err != nil {
			t.Fatal(err)
		}
		tr, err := openTree(y.root, Options{MaxFiles: 1000, MaxID: defaultMaxID})
		if err != nil {
			t.Fatal(err)
		}
		defer tr.close()
		u := &untarring{whole: true}
		if asLayer {
			tr.resolve = zoneLinks
			u = &untarring{layer: true, made: map[string]struct{}{}}
		}
		u.sparse = maxSparse - 1<<26 // to be quick
		if err := tr.untar(context.Background(), bytes.NewReader(raw), u); err == nil {
			_ = tr.finish()
		}
		y.untouched(t)
	})
}

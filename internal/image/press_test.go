// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"io"
	"os/exec"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// compressors make what decompress undoes. bzip2 has no writer in Go.
var compressors = map[string]func(testing.TB, []byte) []byte{
	"gzip": func(t testing.TB, raw []byte) []byte {
		return press(t, raw, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil })
	},
	"zstd": func(t testing.TB, raw []byte) []byte {
		return press(t, raw, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) })
	},
	"xz": func(t testing.TB, raw []byte) []byte {
		return press(t, raw, func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) })
	},
	"bzip2": func(t testing.TB, raw []byte) []byte {
		cmd := exec.Command("bzip2", "-c")
		cmd.Stdin = bytes.NewReader(raw)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("bzip2: %v", err)
		}
		return out
	},
}

func press(t testing.TB, raw []byte, with func(io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := with(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

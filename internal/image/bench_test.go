// SPDX-License-Identifier: Apache-2.0

package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkUnpack compares Unpack with tar(1), turn by turn on the archive
// that IMAGE_ARCHIVE names, below IMAGE_DIR. It reports the ratio of the
// medians.
func BenchmarkUnpack(b *testing.B) {
	archive := os.Getenv("IMAGE_ARCHIVE")
	if archive == "" {
		b.Skip("requires IMAGE_ARCHIVE, a root archive")
	}
	top, err := os.MkdirTemp(os.Getenv("IMAGE_DIR"), "image-bench-")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(top)
	timed := func(root string, work func() error) time.Duration {
		if err := os.Mkdir(root, 0o755); err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		if err := work(); err != nil {
			b.Fatal(err)
		}
		spent := time.Since(start)
		if err := os.RemoveAll(root); err != nil {
			b.Fatal(err)
		}
		return spent
	}
	var ours, theirs time.Duration
	for b.Loop() {
		root := filepath.Join(top, "tar")
		theirs += timed(root, func() error {
			return exec.Command("tar", "-C", root, "--xattrs", "--numeric-owner", "-xpf", archive).Run()
		})
		root = filepath.Join(top, "image")
		ours += timed(root, func() error { _, err := unpackFile(archive, root); return err })
	}
	b.ReportMetric(float64(ours)/float64(theirs), "times-tar")
	b.ReportMetric(theirs.Seconds()/float64(b.N), "tar-s")
	b.ReportMetric(ours.Seconds()/float64(b.N), "image-s")
}

// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkUnpack compares Unpack with tar(1), turn by turn, on the archive
// that IMAGE_ARCHIVE names, or else on one of 5,000 files that it makes, below
// IMAGE_DIR. It reports the ratio of the sums.
func BenchmarkUnpack(b *testing.B) {
	top, err := os.MkdirTemp(os.Getenv("IMAGE_DIR"), "image-bench-")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(top)
	source := os.Getenv("IMAGE_ARCHIVE")
	if source == "" {
		source = filepath.Join(top, "root.tar.gz")
		if err := os.WriteFile(source, benchArchive(b), 0o600); err != nil {
			b.Fatal(err)
		}
	}
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
			return exec.Command("tar", "-C", root, "--xattrs", "--numeric-owner", "-xpf", source).Run()
		})
		root = filepath.Join(top, "image")
		ours += timed(root, func() error { _, err := unpackFile(source, root); return err })
	}
	b.ReportMetric(float64(ours)/float64(theirs), "times-tar")
	b.ReportMetric(theirs.Seconds()/float64(b.N), "tar-s")
	b.ReportMetric(ours.Seconds()/float64(b.N), "image-s")
}

// benchArchive is as many files, and as large, as a small system has.
func benchArchive(b *testing.B) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var members []member
	for i := range 5000 {
		body := make([]byte, 1<<random.IntN(18))
		for j := range body {
			body[j] = "etaoinshrdlu .\n"[random.IntN(15)]
		}
		members = append(members, reg(fmt.Sprintf("usr/d%d/file%d", i/50, i), string(body)))
	}
	return compressors["gzip"](b, archive(b, members...))
}

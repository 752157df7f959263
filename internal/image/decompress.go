// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

type compression int

const (
	plain compression = iota
	gzipped
	bzipped
	xzipped
	zstandard
)

var magics = []struct {
	format compression
	bytes  string
}{
	{gzipped, "\x1f\x8b"},
	{bzipped, "BZh"},
	{xzipped, "\xfd7zXZ\x00"},
	{zstandard, "\x28\xb5\x2f\xfd"},
}

func format(head []byte) compression {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.bytes)) {
			return m.format
		}
	}
	// A zstd file may begin with a skippable frame.
	if len(head) >= 4 && head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18" {
		return zstandard
	}
	return plain
}

func sniff(f *os.File) (compression, error) {
	var head [8]byte
	n, err := f.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return plain, err
	}
	return format(head[:n]), nil
}

// window bounds the memory that a zstd or xz file can make its reader take:
// what zstd --ultra -22 --long=27 and xz -9 need, and no more.
const window = 128 << 20

// decompress undoes the compression of r. Its errors are ErrTruncated and
// ErrCorrupt around what the decompressor said.
func decompress(r io.Reader, c compression) (io.ReadCloser, error) {
	out := &decompressor{}
	switch c {
	case gzipped:
		z, err := gzip.NewReader(bufio.NewReaderSize(r, 1<<18))
		if err != nil {
			return nil, decompressError(err)
		}
		out.Reader, out.close = z, func() { _ = z.Close() }
	case bzipped:
		out.Reader = bzip2.NewReader(bufio.NewReaderSize(r, 1<<18))
	case xzipped:
		return newXZ(r)
	case zstandard:
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(window), zstd.WithDecoderConcurrency(2))
		if err != nil {
			return nil, decompressError(err)
		}
		out.Reader, out.close = z, z.Close
	default:
		out.Reader = r
		out.plain = true
	}
	return out, nil
}

// newXZ prefers xz(1), which is three times as fast as any decoder in Go.
func newXZ(r io.Reader) (io.ReadCloser, error) {
	if tool, ok := findTool("xz"); ok {
		f, err := startFilter(r, tool, "-dcq", "-T0", "--memlimit-decompress=1GiB")
		if err != nil {
			return nil, err
		}
		return &decompressor{Reader: f, close: f.close, plain: true}, nil
	}
	config := xz.ReaderConfig{DictCap: window}
	z, err := config.NewReader(bufio.NewReaderSize(r, 1<<18))
	if err != nil {
		return nil, decompressError(err)
	}
	return &decompressor{Reader: z}, nil
}

type decompressor struct {
	io.Reader
	close func()
	plain bool // its errors say what they are
}

func (d *decompressor) Read(p []byte) (int, error) {
	n, err := d.Reader.Read(p)
	if err != nil && err != io.EOF && !d.plain {
		err = decompressError(err)
	}
	return n, err
}

func (d *decompressor) Close() error {
	if d.close != nil {
		d.close()
		d.close = nil
	}
	return nil
}

// decompressError tells a fault of the data from one of reading it.
func decompressError(err error) error {
	var path *os.PathError
	switch {
	case errors.As(err, &path), errors.Is(err, ErrBomb), errors.Is(err, ErrDigest), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("%w: its compressed data ends early", ErrTruncated)
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// readAhead decompresses in a goroutine of its own, so that this and the
// making of files go on side by side. Close ends it and waits.
type readAhead struct {
	chunks chan chunk
	free   chan []byte
	stop   chan struct{}
	done   chan struct{}
	rest   []byte
	buf    []byte
	err    error
}

type chunk struct {
	data []byte
	err  error
}

const (
	aheadChunks = 8
	aheadSize   = 512 << 10
)

func newReadAhead(r io.Reader) *readAhead {
	a := &readAhead{
		chunks: make(chan chunk, aheadChunks), free: make(chan []byte, aheadChunks+2),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	for range aheadChunks {
		a.free <- make([]byte, aheadSize)
	}
	go a.fill(r)
	return a
}

func (a *readAhead) fill(r io.Reader) {
	defer close(a.done)
	for {
		var buf []byte
		select {
		case buf = <-a.free:
		case <-a.stop:
			return
		}
		n, err := io.ReadFull(r, buf[:aheadSize])
		if err == io.ErrUnexpectedEOF {
			err = io.EOF
		}
		select {
		case a.chunks <- chunk{buf[:n], err}:
		case <-a.stop:
			return
		}
		if err != nil {
			return
		}
	}
}

func (a *readAhead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.err != nil {
			return 0, a.err
		}
		if a.buf != nil {
			a.free <- a.buf
		}
		c := <-a.chunks
		a.buf, a.rest, a.err = c.data[:cap(c.data)], c.data, c.err
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

func (a *readAhead) Close() {
	close(a.stop)
	<-a.done
}

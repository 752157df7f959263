// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"io"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// spend is called before n bytes are written.
func (t *tree) spend(n int) error {
	const every = 16 << 20
	t.written += int64(n)
	if t.written-t.checked < every {
		return nil
	}
	t.checked = t.written
	if err := t.interrupted(); err != nil {
		return err
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(t.root, &st); err != nil {
		return err
	}
	if left := st.Bavail * uint64(st.Bsize); left < t.reserve {
		return fmt.Errorf("%w: %d MB are left, which are not used", unix.ENOSPC, left>>20)
	}
	return nil
}

// A chunkReader is a reader that knows when all it returns is a hole.
type chunkReader interface {
	readChunk(p []byte) (n int, hole bool, err error)
}

// write copies content from r, leaving holes where whole blocks are zero.
// size is what is expected; less is an error of r.
func (t *tree) write(fd int, r io.Reader, size int64, block int) error {
	var off int64
	hole := false
	chunks, _ := r.(chunkReader)
	for off < size {
		buf := t.buf[:min(int64(len(t.buf)), size-off)]
		var n int
		var empty bool
		var err error
		if chunks != nil {
			n, empty, err = chunks.readChunk(buf)
		} else {
			n, err = io.ReadFull(r, buf)
		}
		if empty && err == nil {
			off += int64(n)
			hole = true
			if err := t.interrupted(); err != nil {
				return err
			}
			continue
		}
		if n > 0 {
			var werr error
			if hole, werr = t.writeBlocks(fd, t.buf[:n], off, block); werr != nil {
				return werr
			}
			off += int64(n)
		}
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	if hole {
		return unix.Ftruncate(fd, size)
	}
	return nil
}

const copySize = 512 << 10

var zeros [copySize]byte

// writeBlocks writes what is not zero of data, and says whether it ended with
// a hole.
func (t *tree) writeBlocks(fd int, data []byte, off int64, block int) (bool, error) {
	for len(data) > 0 {
		n := run(data, block)
		if n > 0 {
			if err := t.writeAll(fd, data[:n], off); err != nil {
				return false, err
			}
			data, off = data[n:], off+int64(n)
			continue
		}
		n = min(block, len(data))
		data, off = data[n:], off+int64(n)
		if len(data) == 0 {
			return true, nil
		}
	}
	return false, nil
}

// run is how many bytes of data come before a block of zeros.
func run(data []byte, block int) int {
	for i := 0; i < len(data); i += block {
		end := min(i+block, len(data))
		if string(data[i:end]) == string(zeros[:end-i]) {
			return i
		}
	}
	return len(data)
}

func (t *tree) writeAll(fd int, data []byte, off int64) error {
	if err := t.spend(len(data)); err != nil {
		return err
	}
	for len(data) > 0 {
		n, err := unix.Pwrite(fd, data, off)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		data, off = data[n:], off+int64(n)
	}
	return nil
}

func times(m meta) [2]unix.Timespec {
	atime := m.atime
	if atime.IsZero() {
		atime = m.mtime
	}
	return [2]unix.Timespec{timespec(atime), timespec(m.mtime)}
}

// timespec clamps a time to what every file system keeps without a complaint.
func timespec(at time.Time) unix.Timespec {
	sec := at.Unix()
	if at.IsZero() || sec < math.MinInt32 || sec > math.MaxUint32 {
		return unix.Timespec{}
	}
	return unix.Timespec{Sec: sec, Nsec: int64(at.Nanosecond())}
}

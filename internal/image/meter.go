// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// A meter counts what is read of a source and reports it. Reading and
// unpacking run in goroutines of their own, hence the atomics; the report is
// made by the one that reads.
type meter struct {
	stop   func() error // why reading has to end; nil: nothing makes it
	report func(Progress)
	start  time.Time
	last   time.Time
	total  int64
	done   atomic.Int64
	files  atomic.Int64
}

const reportEvery = 100 * time.Millisecond

// reader counts r's bytes.
func (m *meter) reader(r io.Reader) io.Reader { return &meteredReader{m, r} }

type meteredReader struct {
	m *meter
	r io.Reader
}

func (r *meteredReader) Read(p []byte) (int, error) {
	if r.m.stop != nil {
		if err := r.m.stop(); err != nil {
			return 0, err
		}
	}
	n, err := r.r.Read(p)
	r.m.add(int64(n))
	return n, err
}

func (m *meter) add(n int64) {
	m.done.Add(n)
	if m.report == nil {
		return
	}
	if now := time.Now(); now.Sub(m.last) >= reportEvery {
		m.last = now
		m.report(m.progress(now))
	}
}

func (m *meter) progress(now time.Time) Progress {
	p := Progress{Done: m.done.Load(), Total: m.total, Entries: int(m.files.Load())}
	if s := now.Sub(m.start).Seconds(); s > 0 {
		p.Rate = float64(p.Done) / s
	}
	if p.Total > p.Done && p.Rate > 0 {
		p.Left = time.Duration(float64(p.Total-p.Done) / p.Rate * float64(time.Second))
	}
	return p
}

// finish makes the last report, so that a bar ends full.
func (m *meter) finish() {
	if m.report != nil {
		m.report(m.progress(time.Now()))
	}
}

// A bomb is told by its ratio. The largest honest ratios come from disk images
// and logs full of zeros, and stay well below this once there is half a
// gigabyte of output to judge by.
const (
	bombFloor = 512 << 20
	bombRatio = 200
)

// fuse ends a stream that grows out of proportion to what is read for it.
type fuse struct {
	m   *meter
	r   io.Reader
	out int64
}

func (f *fuse) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	f.out += int64(n)
	if in := f.m.done.Load(); f.out > bombFloor && f.out/bombRatio > in {
		return n, fmt.Errorf("%w: %d bytes became more than %d", ErrBomb, in, f.out)
	}
	return n, err
}

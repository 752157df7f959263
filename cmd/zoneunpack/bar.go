// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A bar shows how far a long piece of work is, with bytes, rate and time left,
// when it is shown to a terminal; elsewhere it is quiet.
type bar struct {
	mu  sync.Mutex
	out io.Writer // nil: quiet
	bar *progressbar.ProgressBar
	max int64
}

// newBar makes a bar on w. Nothing appears before the first Set.
func newBar(w io.Writer) *bar {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &bar{out: w}
	}
	return &bar{}
}

// shown reports whether anybody sees the bar.
func (b *bar) shown() bool { return b.out != nil }

// Set shows that done of total bytes are dealt with; total is 0 when unknown.
func (b *bar) Set(done, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.shown() {
		return
	}
	if total <= 0 {
		total = -1
	}
	if b.bar == nil || total != b.max {
		b.max = total
		b.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(b.out), progressbar.OptionShowBytes(true),
			progressbar.OptionSetWidth(24), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
	}
	_ = b.bar.Set64(done)
}

// Done takes the bar off the terminal.
func (b *bar) Done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar != nil {
		_ = b.bar.Clear()
		b.bar = nil
	}
}

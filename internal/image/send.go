// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
)

// send has zfs(8) send the snapshot that the source is.
func (s *Source) send(ctx context.Context) (io.ReadCloser, error) {
	tool, ok := findTool("zfs")
	if !ok {
		return nil, fmt.Errorf("%w: zfs", ErrTool)
	}
	m := s.meter(sentSize(ctx, tool, s.name))
	out := &sending{cmd: exec.CommandContext(ctx, tool, "send", s.name)}
	out.cmd.Env, out.cmd.Stderr = toolEnv(), &out.said
	pipe, err := out.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := out.cmd.Start(); err != nil {
		return nil, err
	}
	out.Reader, out.pipe = m.reader(pipe), pipe
	return out, nil
}

// sentSize is about how much a snapshot is sent as, in bytes: what is in it,
// before compression. 0 when there is no telling.
func sentSize(ctx context.Context, tool, snapshot string) int64 {
	cmd := exec.CommandContext(ctx, tool, "list", "-Hp", "-t", "snapshot", "-o", "logicalreferenced", snapshot)
	cmd.Env = toolEnv()
	out, err := cmd.Output()
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	return n
}

// sending is what a program writes; in place of its end comes why it failed.
type sending struct {
	io.Reader
	pipe io.Closer
	cmd  *exec.Cmd
	said tail
}

func (s *sending) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		if werr := s.cmd.Wait(); werr != nil {
			err = fmt.Errorf("zfs send: %w: %s", werr, s.said.last())
		}
	}
	return n, err
}

// Close ends the program if it still writes.
func (s *sending) Close() error {
	err := s.pipe.Close()
	_ = s.cmd.Wait() // fails when it has been waited for
	return err
}

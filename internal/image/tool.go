// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// toolPath is where programs are looked for, whatever PATH says: callers with
// an empty environment are common. Tests set it.
var toolPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func findTool(name string) (string, bool) {
	for dir := range strings.SplitSeq(toolPath, ":") {
		file := filepath.Join(dir, name)
		if unix.Access(file, unix.X_OK) == nil {
			return file, true
		}
	}
	return "", false
}

// toolEnv is the environment of programs: nothing of the caller's but the
// proxies that a download may need.
func toolEnv() []string {
	env := []string{"PATH=" + toolPath, "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
	for _, v := range []string{"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "TMPDIR"} {
		if value, ok := os.LookupEnv(v); ok {
			env = append(env, v+"="+value)
		}
	}
	return env
}

// A filter is a program that decompresses its input, without the rights of
// root: what it reads comes from strangers.
type filter struct {
	cmd  *exec.Cmd
	out  io.ReadCloser
	said tail
	err  error // once it has ended
}

const nobody = 65534

func startFilter(r io.Reader, tool string, args ...string) (*filter, error) {
	f := &filter{cmd: exec.Command(tool, args...)}
	f.cmd.Stdin, f.cmd.Stderr, f.cmd.Env, f.cmd.Dir = r, &f.said, toolEnv(), "/"
	if os.Geteuid() == 0 {
		f.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	var err error
	if f.out, err = f.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	return f, f.cmd.Start()
}

// Read ends with the program's failure, if it failed, in place of io.EOF.
func (f *filter) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.out.Read(p)
	if err == io.EOF {
		f.err = io.EOF
		if werr := f.cmd.Wait(); werr != nil {
			f.err = fmt.Errorf("%w: %s", ErrCorrupt, f.said.last())
		}
		err = f.err
		if n > 0 {
			err = nil
		}
	}
	return n, err
}

func (f *filter) close() {
	if f.err == nil {
		f.err = os.ErrClosed
		f.out.Close()
		_ = f.cmd.Process.Kill()
		_ = f.cmd.Wait()
	}
}

// tail keeps the end of what a program says.
type tail struct{ buf []byte }

func (w *tail) Write(p []byte) (int, error) {
	const most = 4096
	w.buf = append(w.buf, p...)
	if len(w.buf) > most {
		w.buf = slices.Clone(w.buf[len(w.buf)-most:])
	}
	return len(p), nil
}

func (w *tail) last() string {
	lines := strings.Split(strings.TrimSpace(string(w.buf)), "\n")
	return lines[len(lines)-1]
}

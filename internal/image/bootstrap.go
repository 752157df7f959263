// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// releaseName is what may name a Debian release or a package: nothing that a
// tool could take for an option or a path.
var (
	releaseName = regexp.MustCompile(`^[a-z][a-z0-9.-]*$`)
	packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]*$`)
	mirrorURL   = regexp.MustCompile(`^(https?|ftp|file)://[!-~]+$|^/[!-~]*$`)
)

// basePackages make a minimal system one that boots as a zone.
var basePackages = []string{"systemd-sysv", "dbus", "iproute2"}

func checkBootstrap(release string, opts Options) error {
	if !releaseName.MatchString(release) {
		return fmt.Errorf("%w: a release is named like trixie", ErrUnknown)
	}
	if opts.Mirror != "" && !mirrorURL.MatchString(opts.Mirror) {
		return fmt.Errorf("malformed mirror %q", opts.Mirror)
	}
	for _, p := range opts.Packages {
		if !packageName.MatchString(p) {
			return fmt.Errorf("malformed package name %q", p)
		}
	}
	if _, ok := findTool("mmdebstrap"); ok {
		return nil
	}
	if _, ok := findTool("debootstrap"); ok {
		return nil
	}
	return fmt.Errorf("%w: mmdebstrap or debootstrap", ErrTool)
}

// bootstrap makes a root of a Debian release. mmdebstrap writes it as an
// archive into our hands; debootstrap needs a directory, which is copied.
func (s *Source) bootstrap(ctx context.Context, t *tree) error {
	t.meter = s.meter(0)
	mirror := s.opts.Mirror
	if mirror == "" {
		mirror = aptMirror("/etc/apt", s.name)
	}
	include := strings.Join(slices.Concat(basePackages, s.opts.Packages), ",")
	if tool, ok := findTool("mmdebstrap"); ok {
		args := []string{"--quiet", "--variant=minbase", "--format=tar", "--include=" + include, s.name, "-"}
		if mirror != "" {
			args = append(args, mirror)
		}
		return s.bootstrapTar(ctx, t, tool, args)
	}
	return s.bootstrapDirectory(ctx, t, include, mirror)
}

func (s *Source) bootstrapTar(ctx context.Context, t *tree, tool string, args []string) error {
	cmd := polite(exec.CommandContext(ctx, tool, args...))
	var said tail
	cmd.Stderr, cmd.Env = &said, toolEnv()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	uerr := t.untar(ctx, t.meter.reader(out), &untarring{whole: true})
	if uerr != nil {
		// Let go of the pipe first: the tool may be waiting to write.
		out.Close()
	}
	if err := cmd.Wait(); err != nil && ctx.Err() == nil {
		// The tool's own failure explains a broken archive, unless ours
		// broke the tool.
		if uerr == nil || errors.Is(uerr, ErrTruncated) {
			return fmt.Errorf("mmdebstrap: %w: %s", err, said.last())
		}
	}
	return uerr
}

// polite lets a tool that is interrupted remove what it made meanwhile.
func polite(cmd *exec.Cmd) *exec.Cmd {
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	return cmd
}

func (s *Source) bootstrapDirectory(ctx context.Context, t *tree, include, mirror string) error {
	dir, err := os.MkdirTemp("/var/tmp", "zone-bootstrap-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	root := filepath.Join(dir, "root")
	args := []string{"--variant=minbase", "--include=" + include, s.name, root}
	if mirror != "" {
		args = append(args, mirror)
	}
	tool, _ := findTool("debootstrap")
	cmd := polite(exec.CommandContext(ctx, tool, args...))
	var said tail
	cmd.Stdout, cmd.Stderr, cmd.Env = &said, &said, toolEnv()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("debootstrap: %w: %s", err, said.last())
	}
	from, err := os.Open(root)
	if err != nil {
		return err
	}
	defer from.Close()
	made := &Source{name: root, kind: Directory, opts: s.opts, file: from}
	return made.copyDirectory(ctx, t)
}

// aptMirror is the first mirror that apt is set up with for the archive of a
// release, security and third-party archives left aside: one that has the
// release itself, or else the first that has any suite with a component main.
func aptMirror(dir, release string) string {
	files, _ := filepath.Glob(filepath.Join(dir, "sources.list.d", "*"))
	files = append([]string{filepath.Join(dir, "sources.list")}, files...)
	any := ""
	for _, file := range files {
		for _, s := range readSources(file) {
			if !slices.Contains(s.components, "main") || strings.Contains(s.uri, "security") {
				continue
			}
			if slices.Contains(s.suites, release) {
				return s.uri
			}
			if any == "" && !slices.ContainsFunc(s.suites, func(suite string) bool {
				return strings.Contains(suite, "security")
			}) && strings.Contains(s.uri, "debian") {
				any = s.uri
			}
		}
	}
	return any
}

type aptSource struct {
	uri                string
	suites, components []string
}

// readSources reads one of apt's lists, in either format.
func readSources(file string) []aptSource {
	raw, err := readBounded(file, 1<<20)
	if err != nil {
		return nil
	}
	var found []aptSource
	if strings.HasSuffix(file, ".sources") {
		for stanza := range strings.SplitSeq(string(raw), "\n\n") {
			var s aptSource
			for line := range strings.Lines(stanza) {
				key, value, _ := strings.Cut(line, ":")
				switch words := strings.Fields(value); key {
				case "URIs":
					if len(words) > 0 {
						s.uri = words[0]
					}
				case "Suites":
					s.suites = words
				case "Components":
					s.components = words
				}
			}
			if s.uri != "" {
				found = append(found, s)
			}
		}
		return found
	}
	if !strings.HasSuffix(file, ".list") {
		return nil
	}
	for line := range strings.Lines(string(raw)) {
		words := strings.Fields(line)
		if len(words) > 1 && words[0] == "deb" && strings.HasPrefix(words[1], "[") {
			end := slices.IndexFunc(words, func(w string) bool { return strings.HasSuffix(w, "]") })
			if end < 0 {
				continue
			}
			words = append(words[:1], words[end+1:]...)
		}
		if len(words) > 2 && words[0] == "deb" {
			found = append(found, aptSource{words[1], words[2:3], words[3:]})
		}
	}
	return found
}

func readBounded(file string, most int64) ([]byte, error) {
	f, err := openSource(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, unix.EINVAL
	}
	return io.ReadAll(io.LimitReader(f, most))
}

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
	"runtime"
	"slices"
	"strings"
	"syscall"
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
// archive into our hands; debootstrap needs a directory, which is copied. What
// either needs meanwhile is in a folder of the root: should nobody be left to
// remove it, it goes with the root.
func (s *Source) bootstrap(ctx context.Context, t *tree) error {
	t.meter = s.meter(0)
	mirror := s.opts.Mirror
	if mirror == "" {
		mirror = aptMirror("/etc/apt", s.name)
	}
	dir, err := os.MkdirTemp(t.path, ".bootstrap-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// Programs with fewer rights work there, too.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	words := []string{"--variant=minbase", "--include=" + strings.Join(slices.Concat(basePackages, s.opts.Packages), ","), s.name}
	if tool, ok := findTool("mmdebstrap"); ok {
		words = append([]string{"--quiet", "--format=tar"}, append(words, "-")...)
		return s.apart(dir, mirror, func(cmd command, _ string) error {
			return s.bootstrapTar(ctx, t, cmd(ctx, tool, with(words, mirror)))
		})
	}
	tool, _ := findTool("debootstrap")
	err = s.apart(dir, mirror, func(cmd command, at string) error {
		log := filepath.Join(dir, "root", "debootstrap", "debootstrap.log")
		return bootstrapDirectory(ctx, cmd(ctx, tool, with(append(words, filepath.Join(at, "root")), mirror)), log)
	})
	if err != nil {
		return err
	}
	from, err := os.Open(filepath.Join(dir, "root"))
	if err != nil {
		return err
	}
	defer from.Close()
	made := &Source{name: s.name, kind: Directory, opts: s.opts, file: from}
	return made.copyDirectory(ctx, t)
}

// with is the words and the mirror, if there is one.
func with(words []string, mirror string) []string {
	if mirror == "" {
		return words
	}
	return append(words, mirror)
}

// command prepares a tool that works in the folder that is its own.
type command func(ctx context.Context, tool string, args []string) *exec.Cmd

// apart has do run a tool whose temporary folder is dir, under the name at, so
// that whatever it has mounted and started is gone when it ends, even by force,
// and when we do: a tool that is killed alone leaves its children at work.
func (s *Source) apart(dir, mirror string, do func(cmd command, at string) error) error {
	var attr *syscall.SysProcAttr
	prepare := func(at string) command {
		return func(ctx context.Context, tool string, args []string) *exec.Cmd {
			cmd := exec.CommandContext(ctx, tool, args...)
			cmd.Env, cmd.Dir, cmd.SysProcAttr = append(toolEnv(), "TMPDIR="+at), "/", attr
			cmd.WaitDelay = 10 * time.Second
			if s.opts.Shared != nil {
				cmd.ExtraFiles = []*os.File{s.opts.Shared}
			}
			return cmd
		}
	}
	if os.Geteuid() != 0 {
		return do(prepare(dir), dir)
	}
	attr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID, Pdeathsig: unix.SIGKILL}
	// A place that everybody can reach, as the zonepath is not, and that the
	// mirror is not in.
	at := "/var/tmp"
	if strings.Contains(mirror, at) {
		at = "/tmp"
	}
	ended := make(chan error)
	go func() {
		// For good: the thread has a view of the mounts of its own.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			// What is unmounted outside meanwhile shall not be kept here.
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, "")
		}
		if err == nil {
			err = unix.Mount(dir, at, "", unix.MS_BIND, "")
		}
		if err != nil {
			ended <- fmt.Errorf("mount %s: %w", at, err)
			return
		}
		ended <- do(prepare(at), at)
	}()
	return <-ended
}

func (s *Source) bootstrapTar(ctx context.Context, t *tree, cmd *exec.Cmd) error {
	var said tail
	cmd.Stderr = &said
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
	err = cmd.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		// The tool's own failure explains a broken archive, unless ours
		// broke the tool.
		if uerr == nil || errors.Is(uerr, ErrTruncated) {
			return fmt.Errorf("mmdebstrap: %w: %s", err, said.last())
		}
	}
	return uerr
}

func bootstrapDirectory(ctx context.Context, cmd *exec.Cmd, log string) error {
	var said tail
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("debootstrap: %w: %s", err, said.last())
	// It may say no more than where its log is, which goes with all the rest.
	if raw, lost := readBounded(log, 64<<20); lost == nil {
		var end tail
		_, _ = end.Write(raw)
		err = fmt.Errorf("%w; its log ends with: %s", err, end.last())
	}
	return err
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
				return fromList(s.uri)
			}
			if any == "" && !slices.ContainsFunc(s.suites, func(suite string) bool {
				return strings.Contains(suite, "security")
			}) && strings.Contains(s.uri, "debian") {
				any = s.uri
			}
		}
	}
	return fromList(any)
}

// fromList is the first mirror of a list that apt is given in the place of one;
// any other mirror is itself.
func fromList(uri string) string {
	file, ok := strings.CutPrefix(uri, "mirror+file:")
	if !ok {
		return uri
	}
	raw, _ := readBounded("/"+strings.TrimLeft(file, "/"), 1<<20)
	for line := range strings.Lines(string(raw)) {
		if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(words[0], "#") {
			return words[0]
		}
	}
	return ""
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

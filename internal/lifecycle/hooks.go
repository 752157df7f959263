// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"zones/internal/brand"
	"zones/internal/schema"
	"zones/internal/store"
	"zones/internal/zone"
)

// Statuses by which a brand's command says more than that it failed.
const (
	hookUsage      = 253 // its options make no sense
	hookIncomplete = 254 // nothing is left behind: try again
)

// maxCommand is the longest command line for a hook in bytes.
const maxCommand = 4096

// hookNames are what messages call the hooks.
var hookNames = map[brand.Hook]string{
	brand.VerifyAdm: "brand-specific verification", brand.Install: "brand-specific installation",
	brand.PostInstall: "brand-specific post-install", brand.Clone: "brand-specific clone",
	brand.PostClone: "postclone", brand.PreSnapshot: "brand-specific presnapshot",
	brand.PostSnapshot: "brand-specific postsnapshot", brand.ValidateSnap: "brand-specific validatesnapshot",
	brand.PreDetach: "brand-specific predetach", brand.Detach: "brand-specific detach",
	brand.Attach: "brand-specific attach", brand.PostAttach: "brand-specific postattach",
	brand.PreUninstall: "brand-specific preuninstall", brand.Uninstall: "brand-specific uninstall",
	brand.SysBoot: "brand sysboot operation",
}

// A HookError is a brand's command that failed. It has said why itself.
type HookError struct {
	Hook   brand.Hook
	Status int // exit status; -1 when a signal ended it
}

func (e *HookError) Error() string { return hookNames[e.Hook] + " failed" }

// Usage reports whether the command did not understand its options.
func (e *HookError) Usage() bool { return e.Status == hookUsage }

// retry reports whether the command left nothing behind.
func (e *HookError) retry() bool { return e.Status == hookIncomplete }

// brandOf reads the brand of a zone.
func (m *Manager) brandOf(z *subjectZone) (*brand.Brand, error) {
	b, err := brand.Find(m.Store.Root(), z.cfg.Text(schema.Brand.Property))
	if err != nil {
		return nil, About("missing or invalid brand")
	}
	return b, nil
}

// commandLine is the command that the zone's brand has for a point of a verb,
// with the words that go on to it; false when it has none.
func (m *Manager) commandLine(z *subjectZone, h brand.Hook, args []string) (command string, ok bool, err error) {
	b, err := m.brandOf(z)
	if err != nil {
		return "", false, err
	}
	if command, ok = b.Hook(h, string(z.name), z.path()); !ok {
		return "", false, nil
	}
	for _, arg := range args {
		// Root's words are for the shell as they are, as they always were.
		if m.Distrust {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		command += " " + arg
	}
	if len(command) > maxCommand {
		if h == brand.Install {
			return "", true, About("Install command line too long")
		}
		return "", true, About("Command line too long")
	}
	return command, true, nil
}

// hook runs the command that the zone's brand has for a point of a verb. ran is
// false when it has none. The command gets the streams of this process, and
// the signals of the terminal are for it alone while it runs.
func (m *Manager) hook(ctx context.Context, z *subjectZone, h brand.Hook, args ...string) (ran bool, err error) {
	command, ok, err := m.commandLine(z, h, args)
	if err != nil || !ok {
		return ok, err
	}
	// It decides what an interrupt comes to.
	if m.Hold != nil {
		defer m.Hold()()
	}
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = m.Streams.In, m.Streams.Out, m.Streams.Err
	cmd.Dir = "/"
	cmd.Env = os.Environ()
	if m.locked {
		cmd.Env = append(cmd.Env, store.LockHeldEnv+"=1")
	}
	if err := ctx.Err(); err != nil {
		return true, err
	}
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return true, nil
	case !errors.As(err, &exit):
		return true, err
	}
	status, _ := exit.Sys().(syscall.WaitStatus)
	if n := brand.Signal(status); n != 0 {
		m.Talk.About("'" + hookNames[h] + "' terminated by signal " + unix.SignalName(n) + ".")
	}
	return true, &HookError{Hook: h, Status: exit.ExitCode()}
}

// VerifyHook has the brand's command look at a verb and its words.
func (m *Manager) VerifyHook(ctx context.Context, name zone.Name, verb zone.Verb) error {
	if name == "" || name == zone.Global || m.Inside() {
		return nil
	}
	cfg, err := m.config(name)
	if err != nil {
		return subject(string(name), reason(err))
	}
	_, err = m.hook(ctx, &subjectZone{name: name, cfg: cfg}, brand.VerifyAdm, append([]string{verb.String()}, m.Args...)...)
	return err
}

// verbHooks are the commands that stand in for the work of a verb.
var verbHooks = map[zone.Verb]brand.Hook{
	zone.Install: brand.Install, zone.Clone: brand.Clone, zone.Detach: brand.Detach, zone.Attach: brand.Attach,
	zone.Uninstall: brand.Uninstall,
}

// BrandOptions reports whether the zone's brand has a command of its own for a
// verb, and which options that is known to have, as for getopt.
func (m *Manager) BrandOptions(name zone.Name, verb zone.Verb) (letters string, ok bool) {
	if name == "" || name == zone.Global || m.Inside() {
		return "", false
	}
	cfg, _, err := m.Store.Load(name)
	if err != nil {
		return "", false
	}
	b, err := brand.Find(m.Store.Root(), cfg.Text(schema.Brand.Property))
	if err != nil {
		return "", false
	}
	if _, ok = b.Hook(verbHooks[verb], "", ""); ok && verb == zone.Install {
		letters = b.InstallOpts
	}
	return letters, ok
}

// Fits fails when a brand's command for a verb cannot take all of its words. That
// is found out before anything is changed.
func (m *Manager) Fits(name zone.Name, verb zone.Verb) error {
	cfg, _, err := m.Store.Load(name)
	if err == nil {
		_, _, err = m.commandLine(&subjectZone{name: name, cfg: cfg}, verbHooks[verb], m.Words)
	}
	return err
}

// BrandHelp has the command of the zone's brand for a verb say how it is used.
func (m *Manager) BrandHelp(ctx context.Context, name zone.Name, verb zone.Verb) error {
	z, err := m.load(name)
	if err == nil {
		_, err = m.hook(ctx, z, verbHooks[verb], "-?")
	}
	return err
}

// SysBoot has the brand's command told that the system boots without the zone.
func (m *Manager) SysBoot(ctx context.Context, name zone.Name) error {
	z, err := m.load(name)
	if err != nil {
		return err
	}
	if _, err := m.hook(ctx, z, brand.SysBoot); err != nil {
		return &Failure{Form: Said, Status: sysbootFailed}
	}
	return nil
}

// sysbootFailed is the status that the zones service knows.
const sysbootFailed = 40

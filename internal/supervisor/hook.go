// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"zones/internal/brand"
	"zones/internal/store"
	"zones/internal/zone"
)

// Numbers of operations, as a brand's commands know them.
const (
	hookReady = 0
	hookBoot  = 1
	hookHalt  = 4
)

// hookLimit is how long a brand's command may take.
const hookLimit = 5 * time.Minute

// hook runs a brand's command, if it has one for this point. The commands
// about a change of state get the state, the operation and no other root as
// further words; each line they print goes to whoever asked.
func (s *server) hook(ctx context.Context, o *operation, h brand.Hook, name, path string, state zone.State, op int) error {
	b, err := brand.Find("/", name)
	if err != nil {
		return nil
	}
	text, ok := b.Hook(h, string(s.name), path)
	if !ok {
		return nil
	}
	if h == brand.PreStateChange || h == brand.PostStateChange {
		text = fmt.Sprintf("%s %d %d ''", text, int(state), op)
	}
	ctx, cancel := context.WithTimeout(ctx, hookLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", text)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", store.LockHeldEnv + "=1"}
	cmd.Dir = "/"
	// A process that the command leaves behind may hold its output open.
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	for _, line := range strings.Split(strings.TrimRight(string(out), "\n"), "\n") {
		if line != "" {
			o.say("%s", line)
		}
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		if n := brand.Signal(exit.Sys().(syscall.WaitStatus)); n != 0 {
			return fmt.Errorf("%s unexpectedly terminated due to signal %d", h, n)
		}
	}
	return fmt.Errorf("%s failed", h)
}

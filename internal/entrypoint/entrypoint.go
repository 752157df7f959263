// SPDX-License-Identifier: Apache-2.0

// Package entrypoint is what an image says about running it: the program, and
// as whom and where it runs. It is kept as a file in the zonepath and carried
// out inside the zone. It reads no image and starts no zone.
package entrypoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// File is the name in a zonepath.
const File = "entrypoint.json"

// An Entrypoint is how an image is run.
type Entrypoint struct {
	Argv []string `json:"argv"`           // the program and its arguments
	Env  []string `json:"env,omitempty"`  // NAME=VALUE
	User string   `json:"user,omitempty"` // USER[:GROUP], names or numbers; empty: root
	Dir  string   `json:"dir,omitempty"`  // working directory; empty: /
	Stop string   `json:"stop,omitempty"` // the signal that ends it; empty: SIGTERM
}

// maxFile bounds the file; an image's configuration is no larger.
const maxFile = 8 << 20

// ErrMalformed says that an entry point cannot be carried out as it stands.
var ErrMalformed = errors.New("malformed entry point")

// check looks at what the kernel would refuse or cut off.
func (e *Entrypoint) check() error {
	if len(e.Argv) == 0 || e.Argv[0] == "" {
		return fmt.Errorf("%w: it names no program", ErrMalformed)
	}
	for _, s := range slices.Concat(e.Argv, e.Env, []string{e.User, e.Dir, e.Stop}) {
		if strings.IndexByte(s, 0) >= 0 {
			return fmt.Errorf("%w: a word holds a NUL", ErrMalformed)
		}
	}
	return nil
}

// shells are programs that an image of a whole system names for want of
// another: they are what a user gets who starts it by hand.
var shells = []string{"sh", "ash", "bash", "dash", "zsh", "ksh", "mksh", "fish"}

// OnlyShell reports whether the program is a shell without anything to do.
func (e *Entrypoint) OnlyShell() bool {
	return len(e.Argv) == 1 && slices.Contains(shells, path.Base(e.Argv[0]))
}

// Signal is the one that asks the program to end.
func (e *Entrypoint) Signal() unix.Signal {
	name := strings.ToUpper(e.Stop)
	if number := 0; name != "" {
		if _, err := fmt.Sscanf(name, "%d", &number); err == nil && number > 0 && number < 65 {
			return unix.Signal(number)
		}
	}
	if s := unix.SignalNum("SIG" + strings.TrimPrefix(name, "SIG")); s != 0 {
		return s
	}
	// The name of a real-time signal says how far it is from the first or last.
	var n int
	if _, err := fmt.Sscanf(strings.TrimPrefix(name, "SIG"), "RTMIN+%d", &n); err == nil && n >= 0 && n <= 30 {
		return unix.Signal(34 + n)
	}
	return unix.SIGTERM
}

// Save writes the entry point into a zonepath. The errors are ErrMalformed and
// those of open(2) and write(2).
func (e *Entrypoint) Save(zonepath string) error {
	if err := e.check(); err != nil {
		return err
	}
	data, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	name := path.Join(zonepath, File)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return fmt.Errorf("write entry point: %w", err)
	}
	_, err = f.Write(append(data, '\n'))
	return errors.Join(err, f.Close())
}

// Exists reports whether a zonepath has an entry point.
func Exists(zonepath string) bool {
	info, err := os.Lstat(path.Join(zonepath, File))
	return err == nil && info.Mode().IsRegular()
}

// Load reads an entry point from a folder: a zonepath, or where the zone sees
// it. The error wraps fs.ErrNotExist when there is none.
func Load(dir string) (*Entrypoint, error) {
	f, err := os.OpenFile(path.Join(dir, File), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("read entry point: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read entry point: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("read entry point: %w: it is too long", ErrMalformed)
	}
	e := &Entrypoint{}
	if err := json.Unmarshal(data, e); err != nil {
		return nil, fmt.Errorf("read entry point: %w: %w", ErrMalformed, err)
	}
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("read entry point: %w", err)
	}
	return e, nil
}

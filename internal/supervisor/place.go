// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zones/internal/control"
)

// placePrefix begins the names of places of a supervisor, before its operation
// and the place's number: "zoneadmd-boot.7".
const placePrefix = "zoneadmd-"

// opEnd is what the end of init has done.
const opEnd control.Op = "end"

// begins notes which operation the places that follow belong to.
func (s *server) begins(op control.Op) { s.doing, s.place = op, 0 }

// at is a place between two states, in which the supervisor can be cut off: so
// tests visit every one.
func (s *server) at() {
	kill := os.Getenv(control.KillEnv)
	if kill != "" && kill == placePrefix+string(s.doing)+"."+strconv.Itoa(s.place) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	s.place++
}

// tracer is told of each step when somebody measures, and nil otherwise.
func tracer() func(step string, took time.Duration) {
	file := os.Getenv(control.TraceEnv)
	if file == "" {
		return nil
	}
	return func(step string, took time.Duration) {
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return
		}
		defer f.Close()
		_, _ = io.WriteString(f, fmt.Sprintf("%s %d\n", step, took.Microseconds()))
	}
}

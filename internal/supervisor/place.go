// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"os"
	"strconv"
	"syscall"

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

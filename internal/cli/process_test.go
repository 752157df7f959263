// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
	"testing"
)

func TestHeard(t *testing.T) {
	signal.Ignore(syscall.SIGINT)
	defer signal.Reset(syscall.SIGINT)
	if got := Heard(syscall.SIGINT, syscall.SIGTERM); !slices.Equal(got, []os.Signal{syscall.SIGTERM}) {
		t.Errorf("heard %v", got)
	}
}

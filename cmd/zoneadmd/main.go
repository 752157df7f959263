// SPDX-License-Identifier: Apache-2.0

// Zoneadmd is the supervisor of one zone. zoneadm(8) and zlogin(1) start it;
// it is not for direct use.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"

	"zones/internal/supervisor"
)

// The main goroutine keeps the main thread, whose mounts are the process's in
// /proc, away from the goroutine that makes a zone's.
func init() { runtime.LockOSThread() }

func main() {
	signal.Ignore(supervisor.Signals...)
	if len(os.Args) == 5 && os.Args[3] == supervisor.WatchFlag {
		// The kernel named the process after the link it was executed by.
		_ = os.WriteFile("/proc/self/comm", []byte("zoneadmd"), 0)
		fd, err := strconv.Atoi(os.Args[4])
		if err == nil {
			err = supervisor.Watch(fd)
		}
		if err != nil {
			os.Exit(1)
		}
		return
	}
	if len(os.Args) != 3 || os.Args[1] != "-z" {
		fmt.Fprintf(os.Stderr, "Usage: zoneadmd -z zonename\n\tThis is started by zoneadm(8) and zlogin(1), and not for direct use.\n")
		os.Exit(2)
	}
	os.Exit(start(os.Args[2]))
}

// SPDX-License-Identifier: Apache-2.0

// Zoneunpack fills the root of a zone that zoneadm(8) installs or copies, from
// wherever that comes. zoneadm starts it; it is not for direct use.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"zones/internal/cli"
	"zones/internal/unpacker"
)

func main() {
	say := &cli.Speaker{Program: unpacker.Program, Out: os.Stdout, Err: os.Stderr}
	var source unpacker.Source
	if _, err := unix.FcntlInt(unpacker.ReplyFD, unix.F_GETFD, 0); err != nil || len(os.Args) < 3 ||
		json.Unmarshal([]byte(os.Args[2]), &source) != nil {
		say.Plain("this is started by zoneadm(8), and not for direct use")
		os.Exit(cli.ExitUsage)
	}
	unix.CloseOnExec(unpacker.ReplyFD)
	if source.Opened {
		unix.CloseOnExec(unpacker.FileFD)
	}
	if source.Locked {
		unix.CloseOnExec(unpacker.SharedFD)
		source.Shared = os.NewFile(unpacker.SharedFD, "shared")
	}
	ctx, _ := cli.CatchInterrupts(context.Background())
	reply := &unpacker.Reply{}
	err := serve(ctx, reply, &source, unpacker.Verb(os.Args[1]), os.Args[3:])
	if err != nil {
		reply.Error = err.Error()
	}
	if err := json.NewEncoder(os.NewFile(unpacker.ReplyFD, "reply")).Encode(reply); err != nil {
		os.Exit(cli.ExitError)
	}
}

var errVerb = errors.New("no such verb")

// SPDX-License-Identifier: Apache-2.0

// Model holds the module and OpenZFS to a reference: it makes a random walk of
// creations, attachments, grants, revocations, destructions and deaths, by
// many user namespaces, and after each step compares what the module says and
// what OpenZFS lets each of them do with what the reference says. Not for a
// machine that matters.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"time"
)

func main() {
	if len(os.Args) == 4 && os.Args[1] == "agent" {
		if err := agentMain(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, "agent:", err)
			os.Exit(1)
		}
		return
	}
	steps := flag.Int("n", 10000, "steps")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the random numbers")
	flag.Parse()
	fmt.Printf("model: seed %d, %d steps\n", *seed, *steps)
	d, err := newDriver(rand.New(rand.NewPCG(*seed, 0)))
	if err == nil {
		err = d.walk(*steps)
	}
	if err != nil {
		fmt.Printf("FAILED model, seed %d: %v\n0 passed, 1 failed\n", *seed, err)
		os.Exit(1)
	}
	fmt.Printf("ok     model: %s\n1 passed, 0 failed\n", d.summary())
}

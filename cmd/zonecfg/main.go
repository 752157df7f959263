// SPDX-License-Identifier: Apache-2.0

// Zonecfg sets up the configuration of zones; see zonecfg(8). What it does is
// in internal/session; here it is only connected to the command line, the
// terminal and the machine.
package main

import "os"

func main() { os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr)) }

// SPDX-License-Identifier: Apache-2.0

package main

import "os"

// output is standard output for what writes help and does not look whether that
// went well.
type output struct{ err error }

func (o *output) Write(p []byte) (int, error) {
	n, err := os.Stdout.Write(p)
	if err != nil {
		o.err = err
	}
	return n, err
}

// SPDX-License-Identifier: Apache-2.0

package cli

import "context"

// Await does something that waits for a terminal or a pipe, until the context
// ends: a signal that is caught does not end such a wait by itself. What is
// given up goes on alone, so its caller should be about to end.
func Await[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := do()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

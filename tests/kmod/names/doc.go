// SPDX-License-Identifier: Apache-2.0

// Package names holds the test of the modules' pure logic in user space. It
// has no code of its own.
package names

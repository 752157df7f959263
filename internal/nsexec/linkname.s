// SPDX-License-Identifier: Apache-2.0

// This file lets fork.go declare functions without a body.

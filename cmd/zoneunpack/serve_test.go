// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"zones/internal/unpacker"
)

// What Open finds is what Fill then does, and a failure tells what was found
// before it.
func TestServe(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(from, "file"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	source := &unpacker.Source{Letter: "d", Name: from}
	ctx := context.Background()
	for _, verb := range []unpacker.Verb{unpacker.Open, unpacker.Fill} {
		reply := &unpacker.Reply{}
		var args []string
		if verb == unpacker.Fill {
			args = []string{to}
		}
		if err := serve(ctx, reply, source, verb, args); err != nil || reply.Form != unpacker.Tree || reply.Short != from {
			t.Errorf("%s: %+v, %v", verb, reply, err)
		}
	}
	if data, err := os.ReadFile(filepath.Join(to, "file")); err != nil || string(data) != "text" {
		t.Errorf("copied %q, %v", data, err)
	}
	if err := serve(ctx, &unpacker.Reply{}, source, unpacker.Fill, nil); !errors.Is(err, errVerb) {
		t.Errorf("no root: %v", err)
	}
	if err := serve(ctx, &unpacker.Reply{}, source, unpacker.Stream, nil); err == nil {
		t.Error("a folder became a stream")
	}
	source = &unpacker.Source{Letter: "g", Name: "zfs:tank/a@b"}
	reply := &unpacker.Reply{}
	if err := serve(ctx, reply, source, unpacker.Open, nil); err != nil || reply.Form != unpacker.Snapshot || reply.Short != "tank/a@b" {
		t.Errorf("snapshot: %+v, %v", reply, err)
	}
}

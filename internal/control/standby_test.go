// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What stands by does nothing before it is told to, and ends when it is not
// needed.
func TestStandby(t *testing.T) {
	dir := t.TempDir()
	program, told := filepath.Join(dir, "zoneadmd"), filepath.Join(dir, "told")
	// It reads one byte, as zoneadmd does, and answers with what that is.
	text := fmt.Sprintf(`#!/bin/sh
b=$(dd bs=1 count=1 <&3 2>/dev/null)
echo "$b" >%[1]s.new
mv %[1]s.new %[1]s
[ -z "$b" ] || echo "got $b" >&3
`, told)
	if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, use := range []bool{true, false} {
		s := Starter{Program: program}
		s.Standby = s.StandBy("web")
		time.Sleep(200 * time.Millisecond)
		if _, err := os.Stat(told); err == nil {
			t.Fatal("it did not wait")
		}
		want := "\n"
		if use {
			want = "b\n"
			var failed *StartError
			if err := s.spawn(context.Background(), "web"); !errors.As(err, &failed) || len(failed.Lines) != 1 || failed.Lines[0] != "got b" {
				t.Errorf("used: %v", err)
			}
		}
		s.Standby.Drop()
		var data []byte
		for deadline := time.Now().Add(10 * time.Second); len(data) == 0 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			data, _ = os.ReadFile(told)
		}
		if string(data) != want {
			t.Errorf("used %v: it was told %q", use, data)
		}
		_ = os.Remove(told)
	}
}

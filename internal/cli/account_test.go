// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// Accounts that are not in /etc/passwd are found where the host has them.
func TestAccount(t *testing.T) {
	defer func(was string) { getent = was }(getent)
	getent = filepath.Join(t.TempDir(), "getent")
	script := `#!/bin/sh
case $1,$2 in
passwd,remote | passwd,70001) echo 'remote:*:70001:70002:A, B:/home/remote:/bin/sh' ;;
passwd,70003) echo 'other:*:70004:1::/:' ;;
passwd,70005) echo 'short:*:70005' ;;
*) exit 2 ;;
esac
`
	if err := os.WriteFile(getent, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if u, err := AccountOf(70001); err != nil || u.Username != "remote" || u.Gid != "70002" {
		t.Errorf("%+v, %v", u, err)
	}
	if u, err := AccountNamed("remote"); err != nil || u.Uid != "70001" {
		t.Errorf("%+v, %v", u, err)
	}
	for _, uid := range []int{70003, 70005, 70006} {
		if u, err := AccountOf(uid); err == nil {
			t.Errorf("%d is %+v", uid, u)
		}
	}
	for _, name := range []string{"", "-remote", "70001", "nobody-there"} {
		if u, err := AccountNamed(name); err == nil {
			t.Errorf("%q is %+v", name, u)
		}
	}
	if u, err := AccountOf(0); err != nil || u.Username != "root" {
		t.Errorf("%+v, %v", u, err)
	}
}

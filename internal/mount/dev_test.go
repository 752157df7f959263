// SPDX-License-Identifier: Apache-2.0

package mount_test

import (
	"os"
	"path/filepath"
	"testing"

	"zones/internal/mount"
)

// What a container puts in the place of a node's folders leads nowhere.
func TestNodeBehindLink(t *testing.T) {
	outside := t.TempDir()
	for _, link := range []string{"zvol", "zvol/tank", "zvol/tank/a"} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(link)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
		dev, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		node := mount.Node{Name: "zvol/tank/a/b/v", Block: true, Major: 230, Minor: 0, Mode: 0o600}
		if err := mount.MakeNode(dev, node, os.Getuid()); err == nil {
			t.Errorf("%s is a link, and the node was made", link)
		}
		dev.Close()
		if made, _ := os.ReadDir(outside); len(made) != 0 {
			t.Errorf("%s is a link, and %s was made behind it", link, made[0].Name())
		}
	}
}

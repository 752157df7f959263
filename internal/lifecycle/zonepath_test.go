// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"os"
	"path/filepath"
	"testing"

	"zones/internal/zone"
)

// A zonepath that is missing is looked at where it would be, and not made: what
// looks at it may be killed, or refuse the zone.
func TestMissingZonepath(t *testing.T) {
	if os.Geteuid() != 0 {
		return // zonepaths belong to root
	}
	m := configured(t, "z")
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"good": 0o755, "open": 0o777} {
		if err := os.Mkdir(filepath.Join(top, name), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(top, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"link": "good", "nowhere": "none"} {
		if err := os.Symlink(to, filepath.Join(top, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		path string
		good bool
	}{
		{"good/z", true}, {"good/a/b/z", true}, {"open/a/z", true}, {"open/z", false}, {"link/z", false}, {"link/a/z", false},
		{"nowhere/z", false}, {"good/../z", false}, {"good//z", false},
	} {
		for _, verb := range []zone.Verb{zone.Install, zone.Clone, zone.Move} {
			if err := m.verifyZonepath("z", top+"/"+c.path, verb, zone.Configured); (err == nil) != c.good {
				t.Errorf("%v to %s: %v", verb, c.path, err)
			}
			if _, err := os.Lstat(top + "/" + c.path); err == nil {
				t.Errorf("%v to %s made it", verb, c.path)
			}
		}
	}
	left, err := os.ReadDir(filepath.Join(top, "good"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// What cannot be made whole is not made at all.
func TestMakeZonepath(t *testing.T) {
	top := t.TempDir()
	path := filepath.Join(top, "a", "b", "z")
	if got := missing(path); len(got) != 3 || got[0] != path || lowestAbove(path) != top {
		t.Errorf("missing are %v, above is %s", got, lowestAbove(path))
	}
	long := make([]byte, 300)
	for i := range long {
		long[i] = 'z'
	}
	if err := makeZonepath(filepath.Join(top, "a", "b", string(long))); err == nil {
		t.Error("a name that is too long was taken")
	}
	if _, err := os.Lstat(filepath.Join(top, "a")); err == nil {
		t.Error("what is above it was left")
	}
	for range 2 {
		if err := makeZonepath(path); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("made: %v, %v", info, err)
	}
	dirs := append(missing(path), path, filepath.Dir(path))
	removeEmpty(dirs)
	if lowestAbove(path) != filepath.Join(top, "a") {
		t.Errorf("what remains is %s", lowestAbove(path))
	}
}

// A move that was cut off before or after its place was made leaves none.
func TestTakeBackPlace(t *testing.T) {
	m := configured(t, "z")
	if _, err := m.Store.SetState("z", zone.Installed); err != nil {
		t.Fatal(err)
	}
	for _, made := range []bool{false, true} {
		top := t.TempDir()
		from, to := filepath.Join(top, "from"), filepath.Join(top, "new", "z")
		if err := os.Mkdir(from, 0o700); err != nil {
			t.Fatal(err)
		}
		j := &journal{From: from, To: to, Made: missing(to), Method: byRename, Was: identity(from)}
		if err := m.writeJournal("z", j); err != nil {
			t.Fatal(err)
		}
		if made {
			if err := makeZonepath(to); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.recoverMove(t.Context(), "z", from); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(top); err != nil || len(left) != 1 {
			t.Errorf("made: %v; left: %v, %v", made, left, err)
		}
	}
}

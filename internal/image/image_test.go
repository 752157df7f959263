// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A yard is a root to unpack into, beside a directory that must stay as it is.
type yard struct {
	root, outside string
}

func newYard(t *testing.T) yard {
	t.Helper()
	top := t.TempDir()
	y := yard{filepath.Join(top, "zone", "root"), filepath.Join(top, "outside")}
	for _, dir := range []string{y.root, y.outside} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(y.outside, "secret"), []byte("untouched"), 0o644); err != nil {
		t.Fatal(err)
	}
	return y
}

// untouched fails the test when anything beside the root changed.
func (y yard) untouched(t *testing.T) {
	t.Helper()
	top := filepath.Dir(y.outside)
	for dir, want := range map[string]string{top: "outside zone", y.outside: "secret", filepath.Dir(y.root): "root"} {
		members, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, m := range members {
			names = append(names, m.Name())
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s holds %q, want %q", dir, got, want)
		}
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(y.outside, "secret"), &st); err != nil || st.Mode&0o7777 != 0o644 || st.Nlink != 1 {
		t.Errorf("secret: %v, mode %o, %d links", err, st.Mode, st.Nlink)
	}
	if got, _ := os.ReadFile(filepath.Join(y.outside, "secret")); string(got) != "untouched" {
		t.Errorf("secret is %q", got)
	}
}

type member struct {
	tar.Header
	body string
}

func reg(name, body string) member {
	return member{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, body}
}

func dir(name string) member {
	return member{tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}, ""}
}

func sym(name, to string) member {
	return member{tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to, Mode: 0o777}, ""}
}

func hard(name, to string) member {
	return member{tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: to, Mode: 0o644}, ""}
}

func archive(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := m.Header
		h.Size = int64(len(m.body))
		if h.ModTime.IsZero() {
			h.ModTime = time.Unix(1_000_000_000, 0)
		}
		if os.Geteuid() != 0 && h.Uid == 0 && h.Gid == 0 {
			h.Uid, h.Gid = os.Geteuid(), os.Getegid()
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unpackBytes(t testing.TB, raw []byte, root string) (*Result, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return unpackFile(file, root)
}

func unpackFile(file, root string) (*Result, error) {
	s, err := Open(file, Options{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Unpack(context.Background(), root)
}

func TestHostileArchives(t *testing.T) {
	for _, test := range []struct {
		name    string
		members func(y yard) []member
		want    error // nil: it is harmless and unpacks
	}{
		{"dotdot", func(yard) []member { return []member{reg("a/../../outside/secret", "x")} }, ErrEscape},
		{"dotdot first", func(yard) []member { return []member{reg("../outside/new", "x")} }, ErrEscape},
		{"absolute", func(y yard) []member { return []member{reg(y.outside+"/new", "x")} }, ErrEscape},
		{"directory dotdot", func(yard) []member { return []member{dir("../../new/")} }, ErrEscape},
		{"symlink parent, absolute", func(y yard) []member {
			return []member{sym("l", y.outside), reg("l/new", "x")}
		}, ErrEscape},
		{"symlink parent, relative", func(yard) []member {
			return []member{dir("d"), sym("d/l", "../../../outside"), reg("d/l/secret", "x")}
		}, ErrEscape},
		{"symlink chain", func(yard) []member {
			return []member{dir("a"), sym("a/up", ".."), sym("b", "a/up/../.."), reg("b/outside/new", "x")}
		}, ErrEscape},
		{"symlink then file of its name", func(y yard) []member {
			return []member{sym("l", y.outside+"/secret"), reg("l", "x")}
		}, nil},
		{"directory swapped for link", func(y yard) []member {
			return []member{dir("d"), sym("d", y.outside), reg("d/secret", "x")}
		}, ErrEscape},
		{"link swapped for directory", func(y yard) []member {
			return []member{sym("d", y.outside), dir("d"), reg("d/secret", "x")}
		}, nil},
		{"mode through link", func(y yard) []member {
			m := dir("d")
			m.Mode = 0o7777
			return []member{m, sym("d", y.outside)}
		}, nil},
		{"hard link, absolute", func(y yard) []member {
			return []member{hard("l", y.outside+"/secret")}
		}, ErrEscape},
		{"hard link, dotdot", func(yard) []member {
			return []member{hard("l", "../../outside/secret")}
		}, ErrEscape},
		{"hard link through link", func(y yard) []member {
			return []member{sym("d", y.outside), hard("l", "d/secret")}
		}, ErrEscape},
		{"hard link to link, then file", func(y yard) []member {
			return []member{sym("s", y.outside+"/secret"), hard("l", "s"), reg("l", "x")}
		}, nil},
		{"hard link to nothing", func(yard) []member { return []member{hard("l", "none")} }, ErrCorrupt},
		{"dangling parent", func(yard) []member { return []member{sym("l", "none"), reg("l/x", "x")} }, ErrEscape},
		{"looping parent", func(yard) []member { return []member{sym("l", "l"), reg("l/x", "x")} }, ErrEscape},
		{"root as link", func(y yard) []member { return []member{sym(".", y.outside)} }, ErrEscape},
		{"proc", func(yard) []member {
			return []member{sym("l", "/proc/self/root"), reg("l/x", "x")}
		}, ErrEscape},
		{"fifo over link", func(y yard) []member {
			return []member{sym("l", y.outside+"/secret"), {tar.Header{Typeflag: tar.TypeFifo, Name: "l", Mode: 0o666}, ""}}
		}, nil},
		{"huge owner", func(yard) []member {
			return []member{{tar.Header{Typeflag: tar.TypeReg, Name: "x", Uid: 65536}, ""}}
		}, ErrID},
		{"huge group", func(yard) []member {
			return []member{{tar.Header{Typeflag: tar.TypeDir, Name: "x", Gid: 1 << 30}, ""}}
		}, ErrID},
	} {
		t.Run(test.name, func(t *testing.T) {
			y := newYard(t)
			_, err := unpackBytes(t, archive(t, test.members(y)...), y.root)
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			y.untouched(t)
		})
	}
}

func TestDamagedArchives(t *testing.T) {
	good := archive(t, dir("etc"), reg("etc/passwd", strings.Repeat("root\n", 1000)), reg("etc/group", "x"))
	headerEnd := len(archive(t, dir("etc"))) - 1024
	for _, test := range []struct {
		name string
		raw  []byte
		want error
	}{
		{"within content", good[:headerEnd+512+1000], ErrTruncated},
		{"within header", good[:headerEnd+100], ErrTruncated},
		{"after member", good[:headerEnd], ErrTruncated},
		{"bad checksum", flip(good, headerEnd+5), ErrCorrupt},
		{"empty file", nil, ErrUnknown},
		{"text", []byte(strings.Repeat("hello\n", 1000)), ErrUnknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			y := newYard(t)
			if _, err := unpackBytes(t, test.raw, y.root); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
	for c, press := range compressors {
		raw := press(t, good)
		for _, test := range []struct {
			name string
			raw  []byte
			want error
		}{
			{"whole", raw, nil},
			{"half", raw[:len(raw)/2], ErrTruncated},
			{"last byte off", raw[:len(raw)-1], ErrTruncated},
			{"flipped", flip(raw, len(raw)-6), ErrCorrupt},
		} {
			t.Run(c+" "+test.name, func(t *testing.T) {
				y := newYard(t)
				_, err := unpackBytes(t, test.raw, y.root)
				if test.want == nil && err == nil {
					return
				}
				if test.want == nil || !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnknown) {
					t.Errorf("error %v, want %v", err, test.want)
				}
			})
		}
	}
}

func flip(raw []byte, i int) []byte {
	raw = bytes.Clone(raw)
	raw[i] ^= 0x55
	return raw
}

// What is open already is what its content says, and is called as its user
// called it.
func TestAt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(file, archive(t, reg("a", "x")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/home/user/root.tar", "zfs:tank/a@b", "docker:app"} {
		s, err := Open(name, Options{At: file})
		if err != nil {
			t.Fatal(err)
		}
		if s.Kind() != Tar || s.Name() != name {
			t.Errorf("%s: it is %q, a %v", name, s.Name(), s.Kind())
		}
		s.Close()
		if _, err = Open(name, Options{At: "/dev/null"}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

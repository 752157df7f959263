// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func mkfifo(path string) error { return unix.Mkfifo(path, 0o600) }

// capBytes is cap_net_raw=ep, by a namespace's root in revision 3.
func capBytes(revision uint32) []byte {
	raw := binary.LittleEndian.AppendUint32(nil, revision<<24|1)
	raw = binary.LittleEndian.AppendUint32(raw, 1<<unix.CAP_NET_RAW)
	raw = append(raw, make([]byte, 12)...)
	if revision == 3 {
		raw = binary.LittleEndian.AppendUint32(raw, 12345)
	}
	return raw
}

// richMembers have everything that a file can have.
func richMembers() []member {
	at := time.Unix(1_234_567_890, 123456789)
	return []member{
		{tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755, ModTime: at, Format: tar.FormatPAX}, ""},
		{tar.Header{Typeflag: tar.TypeDir, Name: "d", Mode: 0o1777, Uid: 7, Gid: 8, ModTime: at, Format: tar.FormatPAX,
			PAXRecords: map[string]string{"SCHILY.acl.default": "user::rwx,user:bin:r-x,group::r-x,mask::r-x,other::r-x"},
			Uname:      "bin"}, ""},
		{tar.Header{Typeflag: tar.TypeReg, Name: "d/suid", Mode: 0o6755, Uid: 65535, Gid: 65535, ModTime: at, Format: tar.FormatPAX,
			PAXRecords: map[string]string{
				"SCHILY.xattr.user.note":           "kept\x00binary",
				"SCHILY.xattr.security.capability": string(capBytes(3)),
				"SCHILY.xattr.trusted.overlay.x":   "not kept",
				"SCHILY.acl.access":                "user::rwx\nuser:1000:r--\ngroup::r-x\nmask::r-x\nother::r-x",
			}}, "content"},
		{tar.Header{Typeflag: tar.TypeLink, Name: "hard", Linkname: "./d/suid"}, ""},
		{tar.Header{Typeflag: tar.TypeSymlink, Name: "sym", Linkname: "/d/suid", Uid: 3, Gid: 4, ModTime: at, Format: tar.FormatPAX}, ""},
		{tar.Header{Typeflag: tar.TypeFifo, Name: "fifo", Mode: 0o620, Uid: 5, ModTime: at}, ""},
		{tar.Header{Typeflag: tar.TypeChar, Name: "null", Devmajor: 1, Devminor: 3}, ""},
		{tar.Header{Typeflag: tar.TypeReg, Name: "holes", Mode: 0o600, ModTime: at}, strings.Repeat("\x00", 3<<20) + "x" + strings.Repeat("\x00", 3<<20)},
		{tar.Header{Typeflag: tar.TypeReg, Name: "no/parents/here", Mode: 0o600, ModTime: at}, "x"},
		{tar.Header{Typeflag: tar.TypeDir, Name: "locked", Mode: 0, ModTime: at}, ""},
		{tar.Header{Typeflag: tar.TypeReg, Name: "locked/in", Mode: 0o400, ModTime: at}, "x"},
	}
}

func checkRich(t *testing.T, root string) {
	t.Helper()
	stat := func(name string) unix.Stat_t {
		t.Helper()
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(root, name), &st); err != nil {
			t.Fatal(name, err)
		}
		return st
	}
	suid, hard := stat("d/suid"), stat("hard")
	if suid.Mode&0o7777 != 0o6755 || suid.Uid != 65535 || suid.Gid != 65535 || suid.Nlink != 2 || suid.Ino != hard.Ino {
		t.Errorf("suid: mode %o, %d:%d, %d links", suid.Mode, suid.Uid, suid.Gid, suid.Nlink)
	}
	if suid.Mtim.Sec != 1_234_567_890 || suid.Mtim.Nsec != 123456789 {
		t.Errorf("suid: time %+v", suid.Mtim)
	}
	for name, want := range map[string]string{"user.note": "kept\x00binary", "security.capability": string(capBytes(2)), "trusted.overlay.x": ""} {
		got := make([]byte, 100)
		n, err := unix.Lgetxattr(filepath.Join(root, "d/suid"), name, got)
		if want == "" && err == nil || want != "" && string(got[:max(n, 0)]) != want {
			t.Errorf("%s: %q, %v", name, got[:max(n, 0)], err)
		}
	}
	for name, entries := range map[string]int{"d/suid\x00" + aclAccess: 5, "d\x00" + aclDefault: 5} {
		file, attr, _ := strings.Cut(name, "\x00")
		n, err := unix.Lgetxattr(filepath.Join(root, file), attr, make([]byte, 100))
		if err != nil || n != 4+8*entries {
			t.Errorf("%s of %s: %d bytes, %v", attr, file, n, err)
		}
	}
	if d := stat("d"); d.Mode&0o7777 != 0o1777 || d.Uid != 7 || d.Mtim.Sec != 1_234_567_890 {
		t.Errorf("d: mode %o, %d, time %d", d.Mode, d.Uid, d.Mtim.Sec)
	}
	if s := stat("sym"); s.Mode&unix.S_IFMT != unix.S_IFLNK || s.Uid != 3 || s.Gid != 4 || s.Mtim.Sec != 1_234_567_890 {
		t.Errorf("sym: %+v", s)
	}
	if f := stat("fifo"); f.Mode != unix.S_IFIFO|0o620 || f.Uid != 5 {
		t.Errorf("fifo: mode %o, %d", f.Mode, f.Uid)
	}
	if h := stat("holes"); h.Size != 6<<20+1 || h.Blocks*512 > 1<<20 {
		t.Errorf("holes: %d bytes in %d blocks", h.Size, h.Blocks)
	}
	if raw, err := os.ReadFile(filepath.Join(root, "holes")); err != nil || raw[3<<20] != 'x' || bytes.Count(raw, []byte{0}) != 6<<20 {
		t.Error("holes: wrong content", err)
	}
	if l := stat("locked"); l.Mode&0o7777 != 0 || stat("locked/in").Size != 1 {
		t.Errorf("locked: mode %o", l.Mode)
	}
	if _, err := os.Lstat(filepath.Join(root, "null")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a device node was made")
	}
}

// TestEverythingIsKept unpacks an archive and copies the outcome.
func TestEverythingIsKept(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("requires root")
	}
	y := newYard(t)
	res, err := unpackBytes(t, archive(t, richMembers()...), y.root)
	if err != nil {
		t.Fatal(err)
	}
	checkRich(t, y.root)
	want := "attributes of the machine it came from left out: \"trusted.overlay.x\"\ndevice nodes skipped: \"null\""
	if got := strings.Join(res.Notes, "\n"); got != want {
		t.Errorf("notes %s", got)
	}
	if err := unix.Mknod(filepath.Join(y.root, "socket"), unix.S_IFSOCK|0o600, 0); err != nil {
		t.Fatal(err)
	}
	root, res, err := unpackSource(t, y.root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkRich(t, root)
	if got := strings.Join(res.Notes, "\n"); got != `sockets skipped: "socket"` {
		t.Errorf("notes of the copy %s", got)
	}
}

func TestCopyIntoItself(t *testing.T) {
	top := t.TempDir()
	root := filepath.Join(top, "zones", "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := Open(top, Options{MaxID: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Unpack(context.Background(), root); err != nil {
		t.Fatal(err)
	}
	if got := list(t, root); got != "zones/" {
		t.Errorf("got %s", got)
	}
}

func TestManyEntries(t *testing.T) {
	members := make([]member, 0, 100_000)
	for i := range cap(members) {
		members = append(members, reg("d"+string(rune('a'+i%20))+"/"+time.Duration(i).String(), ""))
	}
	raw := archive(t, members...)
	// In memory, where it takes a second.
	root, err := os.MkdirTemp("/dev/shm", "image-test-")
	if err != nil {
		root = newYard(t).root
	} else {
		t.Cleanup(func() { os.RemoveAll(root) })
	}
	start := time.Now()
	res, err := unpackBytes(t, raw, root)
	if err != nil || res.Entries != len(members)+20 {
		t.Fatal(res.Entries, err)
	}
	t.Logf("%d entries in %v", res.Entries, time.Since(start))
	file := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := unpackSource(t, file, Options{MaxFiles: 1000}); !errors.Is(err, ErrEntries) {
		t.Errorf("beyond the limit: %v", err)
	}
}

// TestImplied makes one name stand for many directories.
func TestImplied(t *testing.T) {
	raw := archive(t, reg(strings.Repeat("d/", 50)+"file", "x"))
	file := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := unpackSource(t, file, Options{MaxFiles: 50}); !errors.Is(err, ErrEntries) {
		t.Errorf("beyond the limit: %v", err)
	}
	if _, _, err := unpackSource(t, file, Options{MaxFiles: 51}); err != nil {
		t.Errorf("within the limit: %v", err)
	}
}

// zeros64 is a gzip member of 64 MB of zeros.
func zeros64(t *testing.T) []byte { return compressors["gzip"](t, make([]byte, 64<<20)) }

func TestBomb(t *testing.T) {
	var head bytes.Buffer
	w := tar.NewWriter(&head)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "zeros", Size: 1 << 40, Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	raw := compressors["gzip"](t, head.Bytes())
	piece := zeros64(t)
	for range 16 {
		raw = append(raw, piece...)
	}
	if _, err := unpackBytes(t, raw, newYard(t).root); !errors.Is(err, ErrBomb) {
		t.Errorf("error %v, want %v", err, ErrBomb)
	}
}

// TestDiskFull unpacks more than a file system has room for.
// A copy holds of directories no more than those that it is in.
func TestCopyHoldsLittle(t *testing.T) {
	defer func(before int) { maxHeld = before }(maxHeld)
	maxHeld = 100
	from, at := t.TempDir(), time.Unix(1_000_000_000, 0)
	for i := range 100 {
		name := filepath.Join(from, fmt.Sprintf("d%d", i), "sub")
		if err := errors.Join(os.MkdirAll(name, 0o700), os.Chtimes(name, at, at), os.Chtimes(filepath.Dir(name), at, at)); err != nil {
			t.Fatal(err)
		}
	}
	root, _, err := unpackSource(t, from, Options{Kind: Directory})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"d7", "d7/sub"} {
		if info, err := os.Stat(filepath.Join(root, name)); err != nil || info.Mode().Perm() != 0o700 || !info.ModTime().Equal(at) {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// What an archive has held in memory is bounded: attributes of directories, and
// the names in a layer, also of what is left out.
func TestHeld(t *testing.T) {
	tree, err := openTree(t.TempDir(), Options{MaxID: 1, MaxFiles: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.close()
	defer func(before int) { maxHeld = before }(maxHeld)
	maxHeld = 8 << 20
	m := meta{mode: 0o755, xattrs: []xattr{{"user.x", make([]byte, 1<<20)}}}
	for i := 0; err == nil && i < 100; i++ {
		// The same directory again counts once.
		if err = tree.mkdir("same", m, false); err == nil && i%2 == 0 {
			err = tree.mkdir(strings.Repeat("d", 1+i), m, false)
		}
	}
	if !errors.Is(err, ErrBomb) || tree.entries < 2*7 {
		t.Errorf("after %d directories: %v", tree.entries, err)
	}
	tree.held = 0
	u := &untarring{layer: true, made: map[string]struct{}{}}
	null := tar.Header{Typeflag: tar.TypeChar}
	err = nil
	for i := 0; err == nil && i < 1000; i++ {
		null.Name = strings.Repeat("d", 1+i/100) + strings.Repeat("e", i%100) + strings.Repeat("/a", 1000)
		err = tree.member(nil, &null, u)
	}
	if !errors.Is(err, ErrBomb) || u.held != tree.held {
		t.Errorf("%d held: %v", u.held, err)
	}
}

func TestDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("requires root")
	}
	small := t.TempDir()
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=32m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(small, unix.MNT_DETACH) })
	_, err := unpackBytes(t, archive(t, reg("big", strings.Repeat("0123456789", 5<<20))), small)
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("error %v", err)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	file := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(file, archive(t, reg("a", "x")), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Unpack(ctx, newYard(t).root); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// Reading ahead of the first file is interrupted as well.
func TestCancelInflate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "image")
	members := archive(t, reg("manifest.json", "[]"), reg("blobs/sha256/x", strings.Repeat("0123456789", 1<<20)))
	if err := os.WriteFile(file, compressors["gzip"](t, members), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tree, err := openTree(t.TempDir(), s.opts)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.close()
	s.stop = func() error { return context.Canceled }
	if _, err := s.archiveBlobs(tree); s.kind != OCIArchive || !errors.Is(err, context.Canceled) {
		t.Errorf("%v: error %v", s.kind, err)
	}
}

// TestSparse unpacks what GNU tar makes of a file with holes, in each of its
// formats.
func TestSparse(t *testing.T) {
	const size, at = 3 << 30, 2<<30 + 12345
	from := t.TempDir()
	f, err := os.Create(filepath.Join(from, "holes"))
	if err == nil {
		_, err = f.WriteAt([]byte("data"), at)
		err = errors.Join(err, f.Truncate(size), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"--format=gnu", "--format=pax", "--sparse-version=0.0", "--sparse-version=0.1"} {
		t.Run(form, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "archive")
			args := []string{"-C", from, form, "--owner=0", "--group=0", "-cSf", file, "holes"}
			if strings.HasPrefix(form, "--sparse") {
				args = append([]string{"--format=pax"}, args...)
			}
			if out, err := exec.Command("tar", args...).CombinedOutput(); err != nil {
				t.Fatalf("tar: %v: %s", err, out)
			}
			root, _, err := unpackSource(t, file, Options{})
			if err != nil {
				t.Fatal(err)
			}
			var st unix.Stat_t
			if err := unix.Stat(filepath.Join(root, "holes"), &st); err != nil || st.Size != size || st.Blocks*512 > 1<<20 {
				t.Errorf("%d bytes in %d blocks, %v", st.Size, st.Blocks, err)
			}
			got := make([]byte, 4)
			g, err := os.Open(filepath.Join(root, "holes"))
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			if _, err := g.ReadAt(got, at); err != nil || string(got) != "data" {
				t.Errorf("content %q, %v", got, err)
			}
		})
	}
}

// Whoever waits for the copy of a directory is told how much there is, from the
// start, and it is what is copied.
func TestCopyTotal(t *testing.T) {
	from := t.TempDir()
	root := filepath.Join(from, "d", "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{"a": 300_000, "d/b": 2_000_000, "d/c": 0} {
		if err := os.WriteFile(filepath.Join(from, name), bytes.Repeat([]byte("x"), size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(from, "a"), filepath.Join(from, "d", "hard")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..", filepath.Join(from, "d", "up")); err != nil {
		t.Fatal(err)
	}
	var first, last Progress
	s, err := Open(from, Options{Kind: Directory, Progress: func(p Progress) {
		if first.Done == 0 {
			first = p
		}
		last = p
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Unpack(context.Background(), root); err != nil {
		t.Fatal(err)
	}
	if first.Total < 2_300_000 || first.Total != last.Total || last.Done != last.Total {
		t.Errorf("first %+v, last %+v", first, last)
	}
}

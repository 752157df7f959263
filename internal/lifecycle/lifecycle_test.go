// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zones/internal/cli"
	"zones/internal/config"
	"zones/internal/control"
	"zones/internal/schema"
	"zones/internal/store"
	"zones/internal/zfs"
	"zones/internal/zone"
)

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		path, dir string
		want      bool
	}{
		{"/a/b", "/a", true}, {"/a", "/a", true}, {"/ab", "/a", false}, {"/a", "/a/b", false}, {"/a", "/", true},
	} {
		if within(c.path, c.dir) != c.want {
			t.Errorf("within(%s, %s) is %v", c.path, c.dir, !c.want)
		}
	}
}

// A zone gets the first free range, aligned, around those of others.
func TestFreeIDs(t *testing.T) {
	var taken []idRange
	for i := range uint64(5) {
		r, err := freeIDs(65536, taken)
		if err != nil {
			t.Fatal(err)
		}
		if r.base%idUnit != 0 || r.size != 65536 {
			t.Fatalf("range %d is %+v", i, r)
		}
		if slices.ContainsFunc(taken, r.overlaps) {
			t.Fatalf("%+v overlaps with one of %+v", r, taken)
		}
		taken = append(taken, r)
	}
	large, err := freeIDs(1<<20, taken)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(taken, large.overlaps) {
		t.Errorf("%+v overlaps with one of %+v", large, taken)
	}
	if _, err := freeIDs(1<<32, taken); err == nil {
		t.Error("a range of all ids was found")
	}
}

func TestSnapshotNumbers(t *testing.T) {
	for name, want := range map[string]int{
		"tank/z@SUNWzone1": 1, "tank/z@SUNWzone12": 12, "tank/z@SUNWzone": 0, "tank/z@daily": 0,
		"tank/SUNWzone3@x": 0, "tank/z@SUNWzone-4": 0, "tank/z@SUNWzone5x": 0,
	} {
		if number(name) != want {
			t.Errorf("number(%s) = %d", name, number(name))
		}
	}
	if highest([]zfs.SnapshotInfo{{Name: "a@SUNWzone3"}, {Name: "a@b"}, {Name: "a@SUNWzone2"}}) != 3 {
		t.Error("the highest number is not found")
	}
}

func TestValidDataset(t *testing.T) {
	for name, want := range map[string]bool{
		"tank/zones/web": true, "tank/a b:c_d-e.f": true, "tank/zones/wäb": false, "tank/a@b": false, "tank/a%": false,
		"tank/a\tb": false, "tank/a#b": false,
	} {
		if validDataset(name) != want {
			t.Errorf("validDataset(%q) is %v", name, !want)
		}
	}
}

func TestCheckAddress(t *testing.T) {
	for text, want := range map[string]error{
		"10.0.0.1": nil, "10.0.0.1/24": nil, "fd00::1/64": nil, "fd00::1": errPrefix,
		"not a name": errAddress, "": errAddress, "10.0.0.1/99": errAddress,
	} {
		if err := checkAddress(text); err != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Ids are shifted wherever they stand, and a second time changes nothing.
func TestShift(t *testing.T) {
	if os.Geteuid() != 0 {
		return // only root gives files away
	}
	s := shift{From: 100000, To: 700000, Size: 65536}
	dir := t.TempDir()
	file := filepath.Join(dir, "sub", "file")
	link := filepath.Join(dir, "link")
	if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	for path, id := range map[string]int{dir: 100000, filepath.Dir(file): 100001, file: 165535, link: 100005, outside: 100007} {
		if err := os.Lchown(path, id, 1234); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(file, 0o4755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.folder(context.Background(), fd); err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
	}
	for path, want := range map[string]uint32{dir: 700000, filepath.Dir(file): 700001, file: 765535, link: 700005, outside: 100007} {
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil || st.Uid != want || st.Gid != 1234 {
			t.Errorf("%s: owner %d:%d, want %d:1234 (%v)", path, st.Uid, st.Gid, want, err)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode()&os.ModeSetuid == 0 {
		t.Errorf("the set-user-id bit is lost: %v, %v", info.Mode(), err)
	}
}

func TestShiftAttributes(t *testing.T) {
	s := shift{From: 100000, To: 700000, Size: 65536}
	acl := make([]byte, 4+3*8)
	binary.LittleEndian.PutUint32(acl, 2)
	put := func(i int, tag uint16, id uint32) {
		binary.LittleEndian.PutUint16(acl[4+8*i:], tag)
		binary.LittleEndian.PutUint32(acl[8+8*i:], id)
	}
	put(0, 0x02, 100033)
	put(1, 0x08, 5)
	put(2, 0x01, 100033)
	if !s.acl(acl) || binary.LittleEndian.Uint32(acl[8:]) != 700033 || binary.LittleEndian.Uint32(acl[16:]) != 5 ||
		binary.LittleEndian.Uint32(acl[24:]) != 100033 {
		t.Errorf("the ACL became % x", acl)
	}
	caps := make([]byte, 24)
	binary.LittleEndian.PutUint32(caps, 0x03000001)
	binary.LittleEndian.PutUint32(caps[20:], 100000)
	if !s.capabilities(caps) || binary.LittleEndian.Uint32(caps[20:]) != 700000 {
		t.Errorf("the capabilities became % x", caps)
	}
	if s.capabilities(make([]byte, 20)) || s.acl(nil) {
		t.Error("what has no id was changed")
	}
}

// A zone may make a tree that is deeper than descriptors or paths go.
func TestRemoveDeep(t *testing.T) {
	top := filepath.Join(t.TempDir(), "top")
	if err := os.MkdirAll(filepath.Join(top, ".removed-1"), 0o755); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, branch := range []string{"a", "b"} {
		fd, err := unix.Open(top, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		for range 6*removeDepth + 1 {
			if err := unix.Mkdirat(fd, branch, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := unix.Symlinkat(filepath.Dir(outside), fd, "link"); err != nil {
				t.Fatal(err)
			}
			next, err := unix.Openat(fd, branch, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			unix.Close(fd)
			if err != nil {
				t.Fatal(err)
			}
			fd, branch = next, "d"
		}
		unix.Close(fd)
		_ = os.Remove(filepath.Join(top, "link"))
	}
	var limit, low unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low.Cur, low.Max = 4*removeDepth, limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	err := removeAll(top)
	_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(top); !os.IsNotExist(err) {
		t.Errorf("the tree is left: %v", err)
	}
	if _, err := os.Lstat(outside); err != nil {
		t.Errorf("a link was followed: %v", err)
	}
}

// What was received belongs to root, in either form, whoever had it elsewhere.
func TestArrange(t *testing.T) {
	if os.Geteuid() != 0 {
		return // only root gives files away
	}
	for _, have := range []string{"root/etc", "etc", "usr"} {
		top := filepath.Join(t.TempDir(), "zone")
		if err := os.MkdirAll(filepath.Join(top, have), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(top, 1000, 1000); err != nil {
			t.Fatal(err)
		}
		in := &install{path: top}
		if err := in.arrange(); err != nil {
			t.Fatal(err)
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(top, &st); err != nil || st.Uid != 0 || st.Gid != 0 || st.Mode&0o7777 != 0o700 {
			t.Errorf("%s: %d:%d %o, %v", have, st.Uid, st.Gid, st.Mode, err)
		}
		if _, err := os.Stat(filepath.Join(top, "root")); err != nil {
			t.Error(err)
		}
	}
}

// What programs know of an uninstall that fails.
func TestRemovalStatus(t *testing.T) {
	m := &Manager{}
	for _, path := range []string{"", "/"} {
		if err := m.removeZonepath(context.Background(), "z1", path); removalStatus(err) != 12 {
			t.Errorf("%q: %v", path, err)
		}
	}
	if status := removalStatus(unix.EBUSY); status != 1 {
		t.Errorf("another failure has the status %d", status)
	}
}

// A zone whose record is damaged is listed with what its configuration says, and
// has no number: that of the host least of all.
func TestDamagedRow(t *testing.T) {
	s := &store.Summary{Brand: "lx", IPType: exclusive, DebugID: 4}
	s.Path = "/zones/web"
	got := activeZone{&control.Record{Name: "web"}, zone.Down}.row(s)
	want := Row{Name: "web", State: zone.Down, Path: "/zones/web", Brand: "lx", Exclusive: true, Debug: 4}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Zones that come and go while they are listed are there or not, and nothing is
// said of that.
func TestListOfVanishing(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(root+"/etc/zones", 0o755); err != nil {
		t.Fatal(err)
	}
	s := store.Open(root)
	c := config.New("web")
	c.Zone.SetText(schema.ZonePath.Property, "/zones/web")
	stop, ended := make(chan struct{}), make(chan error)
	go func() {
		for {
			_, err := s.Create(c, store.Generation{})
			if err == nil {
				err = s.Delete("web")
			}
			select {
			case <-stop:
				ended <- err
				return
			default:
			}
		}
	}()
	var said strings.Builder
	m := New(s, &cli.Speaker{Out: io.Discard, Err: &said})
	seen := 0
	for end := time.Now().Add(10 * time.Second); seen < 2000 && time.Now().Before(end); {
		rows, err := m.List(Filter{Inactive: true})
		if err != nil {
			t.Error(err)
		}
		seen += len(rows) - 1
	}
	close(stop)
	if err := <-ended; err != nil || seen == 0 || said.Len() > 0 {
		t.Errorf("%v, seen %d times, said %q", err, seen, said.String())
	}
}

// Two that remove the same folder both find it gone.
func TestRemoveTogether(t *testing.T) {
	for range 10 {
		top := t.TempDir() + "/top"
		for i := range 20 {
			dir := filepath.Join(top, strconv.Itoa(i), "a", "b")
			if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(dir+"/file", nil, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		ended := make(chan error)
		for range 4 {
			go func() { ended <- removeAll(top) }()
		}
		for range 4 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestRecordRoundTrip(t *testing.T) {
	r := &Record{
		Name: "web", ID: 7, Boot: "b", PID: 42, Start: 99, Phase: PhaseReady, Keeper: 41, KStart: 98,
		Cgroup: "/sys/fs/cgroup/zones.slice/web", Zonepath: "/tank/zones/web", Root: "/tank/zones/web/root",
		Brand: "linux", IPType: "shared", UIDBase: 1 << 20, UIDCount: 65536,
		Init: "/sbin/init", Args: "-s \"x\"\n=", CapsKept: 0x1ff, Env: []string{"A=1\n2", "B="}, Rlimits: []string{"6=1:2"},
		KeeperFDs: []int{7, 8, 9}, Links: []string{"move eth1"}, Addresses: []string{"eth0 10.0.0.5/24"},
	}
	back, err := decodeRecord(r.encode())
	if err != nil || !reflect.DeepEqual(r, back) {
		t.Errorf("got %+v, %v", back, err)
	}
	for _, bad := range []string{"", "x", "pid=-1", "pid=99999999999", "name=/", "env=x", "uid-base=4294967296"} {
		if _, err := decodeRecord([]byte(bad)); err == nil {
			t.Errorf("decode %q succeeded", bad)
		}
	}
}

func TestMessage(t *testing.T) {
	m := &message{kind: "boot", values: []string{"args", "-s", "empty", ""}}
	data, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := decodeMessage(data)
	if err != nil || !reflect.DeepEqual(m, back) || back.get("args") != "-s" || back.get("none") != "" {
		t.Errorf("got %+v, %v", back, err)
	}
	for _, bad := range []string{"", "x", "\x00", "a\x00b\x00", "\x00b\x00c\x00"} {
		if _, err := decodeMessage([]byte(bad)); err == nil {
			t.Errorf("decode %q succeeded", bad)
		}
	}
	if _, err := (&message{kind: "a\x00b"}).encode(); err == nil {
		t.Error("a NUL went through")
	}
}

// pair connects a client to a server end without the file system.
func pair(t *testing.T) (*Conn, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	sock, err := newSocket(fds[0], "test")
	if err != nil {
		t.Fatal(err)
	}
	c := &Conn{Name: "web", sock: sock}
	t.Cleanup(func() { c.Close(); unix.Close(fds[1]) })
	return c, fds[1]
}

func TestRequest(t *testing.T) {
	c, fd := pair(t)
	go func() {
		r, err := Receive(fd)
		if err != nil || r.Op != OpBoot || r.Args != "-m verbose" || r.PeerPID != os.Getpid() {
			t.Errorf("received %+v, %v", r, err)
		}
		r.Line("one")
		r.Line("two")
		r.Fail()
		if r, err = Receive(fd); err != nil || r.Op != OpHalt {
			t.Errorf("received %+v, %v", r, err)
		}
		r.Done()
	}()
	var lines []string
	err := c.Do(context.Background(), OpBoot, "-m verbose", func(s string) { lines = append(lines, s) })
	if !errors.Is(err, ErrFailed) || !reflect.DeepEqual(lines, []string{"one", "two"}) {
		t.Errorf("%v, %v", lines, err)
	}
	if err := c.Do(context.Background(), OpHalt, "", nil); err != nil {
		t.Error(err)
	}
}

// A client that reads late loses lines, and never what ends its request.
func TestSlow(t *testing.T) {
	c, fd := pair(t)
	r := Resume(fd, OpBoot, "", false)
	for range 10000 {
		r.Line(strings.Repeat("x", 100))
	}
	r.Done()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	lines := 0
	if err := c.Do(ctx, OpBoot, "", func(string) { lines++ }); err != nil || lines == 0 {
		t.Errorf("%d lines, then %v", lines, err)
	}
}

// Who hung up is told from who only waits.
func TestGone(t *testing.T) {
	c, fd := pair(t)
	r := Resume(fd, OpShutdown, "", true)
	if r.Gone() {
		t.Error("a client that waits is gone")
	}
	c.Close()
	if !r.Gone() {
		t.Error("a client that hung up is there")
	}
}

func TestConsole(t *testing.T) {
	c, fd := pair(t)
	go func() {
		r, _ := Receive(fd)
		r.Busy(1234)
		if r, _ = Receive(fd); !r.UntilHalt {
			t.Error("until-halt was lost")
		}
		ends, _ := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		r.Done(ends[1])
		unix.Close(ends[1])
		unix.Write(ends[0], []byte("login: "))
		unix.Close(ends[0])
	}()
	var busy *BusyError
	if _, err := c.Console(context.Background(), false); !errors.As(err, &busy) || busy.PID != 1234 {
		t.Errorf("got %v", err)
	}
	f, err := c.Console(context.Background(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 100)
	if n, err := f.Read(b); err != nil || string(b[:n]) != "login: " {
		t.Errorf("read %q, %v", b[:n], err)
	}
}

func TestLostAndLate(t *testing.T) {
	c, fd := pair(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := c.Do(ctx, OpHalt, "", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a silent supervisor: %v", err)
	}
	unix.Shutdown(fd, unix.SHUT_RDWR)
	if err := c.Do(context.Background(), OpHalt, "", nil); !errors.Is(err, ErrLost) {
		t.Errorf("a dead supervisor: %v", err)
	}
}

func TestAlive(t *testing.T) {
	start, _, err := StartTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	r := &Record{PID: os.Getpid(), Start: start}
	f, err := r.PIDFD()
	if err != nil || !r.Alive() {
		t.Fatalf("own process is not alive: %v", err)
	}
	f.Close()
	r.Start++
	if _, err := r.PIDFD(); !errors.Is(err, ErrNotActive) || r.Alive() {
		t.Errorf("a reused number: %v", err)
	}
}

// A supervisor lives as long as its zone: it keeps nothing open that a careless
// caller of ours left open for us.
func TestSpawnPassesNothingOn(t *testing.T) {
	dir := t.TempDir()
	program, seen := filepath.Join(dir, "zoneadmd"), filepath.Join(dir, "seen")
	text := fmt.Sprintf("#!/bin/sh\nfor fd in /proc/$$/fd/*; do readlink $fd; done >%s\n", seen)
	if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	left, err := os.Create(filepath.Join(dir, "left"))
	if err != nil {
		t.Fatal(err)
	}
	defer left.Close()
	if _, err := unix.FcntlInt(left.Fd(), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	if err := (Starter{Program: program}).spawn(context.Background(), "web"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(seen)
	if err != nil || !strings.Contains(string(data), "socket:") || strings.Contains(string(data), left.Name()) {
		t.Errorf("it has %q open, %v", data, err)
	}
}

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	w, err := newWatch(dir, "web")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	save := func(name string) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path+".new", nil, 0o600), os.Rename(path+".new", path)); err != nil {
			t.Fatal(err)
		}
	}
	for _, other := range []string{"web2.state", "web.snapshot.xml", "a.web.state"} {
		save(other)
	}
	if w.Active() {
		t.Error("other files make it active")
	}
	save("web.state")
	if err := os.Remove(filepath.Join(dir, "web.state")); err != nil {
		t.Fatal(err)
	}
	if !w.Active() || w.Active() {
		t.Error("a record that came and went is not noticed once")
	}
}

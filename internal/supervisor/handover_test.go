// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"zones/internal/console"
	"zones/internal/control"
)

// What the working role writes the watching one reads.
func TestHandover(t *testing.T) {
	s := &server{name: "web", listener: 4, uevents: 17, restart: restart{early: 3}, relay: console.Relay{Master: 9, Client: 10}, client: clientState{1234, true},
		conns: []int{11, 12}, watch: watched{keeper: 100, init: 101, goes: 5, exit: 6, status: 7, pidfd: 8, master: 9, slave: 13, delegns: 14, net: -1},
		waiter: &waiter{control.Resume(16, control.OpShutdown, "-m \"a\tb\"\nx", true), time.UnixMilli(1700000000123)}}
	s.relay.Keep([]byte("typed\t\n\xff"))
	s.relay.Hold([]byte("said\r\n"))
	back := &server{}
	for _, line := range strings.Split(strings.TrimSuffix(s.encode(), "\n"), "\n") {
		if err := back.decode(strings.Split(line, "\t")); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	}
	back.relay.Master = back.watch.master
	if got, want := back.relay.Kept(), s.relay.Kept(); string(got) != string(want) {
		t.Errorf("typed %q, want %q", got, want)
	}
	if got, want := back.relay.Held(), s.relay.Held(); string(got) != string(want) {
		t.Errorf("said %q, want %q", got, want)
	}
	for _, r := range []*console.Relay{&s.relay, &back.relay} {
		*r = console.Relay{Master: r.Master, Client: r.Client} // that is all but the time
	}
	if !reflect.DeepEqual(s, back) {
		t.Errorf("got %+v, want %+v", back, s)
	}
	if got, want := back.descriptors(), []int{4, 17, 5, 6, 7, 8, 9, 13, 14, 10, 11, 12, 16}; !reflect.DeepEqual(got, want) {
		t.Errorf("descriptors %v, want %v", got, want)
	}
	if err := back.decode([]string{"zone", "-bad"}); err == nil {
		t.Error("a bad name was taken")
	}
}

func TestRestart(t *testing.T) {
	var r restart
	var got []time.Duration
	for _, life := range []time.Duration{0, time.Second, 0, 0, earlyEnd - 1, 0, 0, earlyEnd, 0, 0} {
		got = append(got, r.ended(life)/time.Second)
	}
	if want := []time.Duration{0, 1, 2, 4, 8, 10, 10, 0, 0, 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if r.due() {
		t.Error("due, and does not wait")
	}
	self, _, err := control.StartTime(os.Getpid())
	if life := lived(&control.Record{Start: self}); err != nil || life < 0 || life > time.Hour {
		t.Errorf("lived %v, %v", life, err)
	}
}

func TestVolumeDevice(t *testing.T) {
	for event, want := range map[string]string{
		"add@/devices/virtual/block/zd16\x00ACTION=add\x00DEVNAME=zd16\x00DEVTYPE=disk\x00": "zd16",
		"add@/devices/virtual/block/zd16/zd16p1\x00DEVNAME=zd16p1\x00DEVTYPE=partition\x00": "",
		"remove@/devices/virtual/block/zd16\x00DEVNAME=zd16\x00":                            "",
		"add@/devices/virtual/block/loop0\x00DEVNAME=loop0\x00":                             "",
		"add@/devices/virtual/block/zd1\x00DEVNAME=../sda\x00DEVTYPE=disk\x00":              "",
		"": "",
	} {
		if got := volumeDevice([]byte(event)); got != want {
			t.Errorf("%q: %q", event, got)
		}
	}
}

// What is asked for does not wait behind the volumes that a zone makes.
func TestChosen(t *testing.T) {
	s := &server{}
	for _, name := range []string{"zd0", "zd16", "zd0"} {
		s.appears(name)
	}
	s.pending = append(s.pending, control.Resume(5, control.OpHalt, "", false))
	var got []control.Op
	for r := s.chosen(); r != nil; r = s.chosen() {
		got = append(got, r.Op)
	}
	if want := []control.Op{control.OpHalt, opVolume, opVolume}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	s.appears("zd0")
	if s.restart.at = time.Now(); s.chosen() != nil || s.waits() {
		t.Error("a zone that waits to be booted again gets a volume")
	}
}

func TestWatcherFindsItself(t *testing.T) {
	r := newRester()
	if len(r.spans) < 2 {
		t.Fatalf("the program is in %d places", len(r.spans))
	}
	r.rest()
	if !r.rested || newRester() == nil {
		t.Error("nothing runs any more")
	}
}

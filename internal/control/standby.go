// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"fmt"
	"math"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"zones/internal/zone"
)

// talkFD is a supervisor's descriptor of a socket to whoever started it. From
// there comes begin, or the end when it is not needed; it answers how its start
// went: with nothing but the end when it listens, else lines.
const (
	talkFD = 3
	begin  = 'b'
)

// A Standby is a supervisor that was started before it was known to be needed:
// to start one takes as long as to find that out. Until it is used it only waits,
// and it ends when its starter does.
type Standby struct {
	talk *os.File
	err  error
}

// StandBy starts a supervisor that waits. Whoever does not use it has to Drop it.
func (s Starter) StandBy(name zone.Name) *Standby {
	talk, err := s.launch(name)
	return &Standby{talk, err}
}

// take returns the socket of one that waits, nil when there is none any more.
func (b *Standby) take() (talk *os.File, err error) {
	if b != nil {
		talk, err, b.talk = b.talk, b.err, nil
	}
	return talk, err
}

// Drop ends it if it has not been used.
func (b *Standby) Drop() {
	if talk, _ := b.take(); talk != nil {
		_ = talk.Close()
	}
}

// launch executes zoneadmd, and returns the socket to it.
func (s Starter) launch(name zone.Name) (talk *os.File, err error) {
	program, err := s.program()
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("start zoneadmd: %w", err)
	}
	defer unix.Close(ends[1])
	_ = unix.SetNonblock(ends[0], true) // for a deadline
	talk = os.NewFile(uintptr(ends[0]), "zoneadmd")
	attr := &syscall.ProcAttr{Dir: "/", Env: append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, TestEnv()...),
		Files: []uintptr{null.Fd(), null.Fd(), null.Fd(), uintptr(ends[1])}, Sys: &syscall.SysProcAttr{Setsid: true}}
	// What our caller left open for us is not for a process that lives as long
	// as the zone: it may be a lock, or a pipe whose reader waits for its end.
	_ = unix.CloseRange(talkFD, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if group, err := os.OpenFile(s.Group, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
		defer group.Close()
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(group.Fd())
	}
	// It outlives us: nobody waits for it, and init inherits it.
	if _, err := syscall.ForkExec(program, []string{program, "-z", string(name)}, attr); err != nil {
		talk.Close()
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	return talk, nil
}

// Begin waits until a supervisor is told to begin, and returns what it is to tell
// its failure to, and to close once it listens. Not needed, it is to end. One that
// was started by hand has none to wait for: report is nil.
func Begin() (report *os.File, needed bool) {
	var st unix.Stat_t
	if unix.Fstat(talkFD, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, true
	}
	unix.CloseOnExec(talkFD)
	var b [1]byte
	n, err := unix.Read(talkFD, b[:])
	for errors.Is(err, unix.EINTR) {
		n, err = unix.Read(talkFD, b[:])
	}
	return os.NewFile(talkFD, "starter"), n == 1 && b[0] == begin
}

// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"zones/internal/zone"
)

// Generation tells one content of an XML file from another. The zero value
// stands for a file that does not exist.
type Generation [sha256.Size]byte

const (
	maxXML = 64 << 20

	fileMode = 0o644
	gidSys   = 3 // the same on illumos, Debian and Fedora
)

// The calls below are made directly: package os would have every file pass
// through the poller of the runtime, at seven calls a file, and a session does
// little else than read and replace small files.

// retry makes a call again that a signal has interrupted.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func open(path string, flags int, mode uint32) (fd int, err error) {
	err = retry(func() error {
		fd, err = unix.Open(path, flags|unix.O_CLOEXEC, mode)
		return err
	})
	return fd, err
}

// readFile reads a regular file of at most max bytes. It does not wait for the
// other end of a fifo.
func readFile(path string, max int64) ([]byte, error) {
	fd, err := open(path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errors.New("not a regular file")
	}
	if st.Size > max {
		return nil, fmt.Errorf("file of %d bytes, %d allowed", st.Size, max)
	}
	// One byte more than the size, so that the end is seen without growing.
	b := make([]byte, 0, st.Size+1)
	for {
		var n int
		err := retry(func() (err error) {
			n, err = unix.Read(fd, b[len(b):cap(b)])
			return err
		})
		if err != nil {
			return nil, err
		}
		b = b[:len(b)+n]
		switch {
		case n == 0:
			return b, nil
		case int64(len(b)) > max:
			return nil, fmt.Errorf("file grows over %d bytes", max)
		case len(b) == cap(b):
			b = append(b, 0)[:len(b)]
		}
	}
}

// createNew makes a file for writing, in place of one that a dead process may
// have left: it never writes through what else the name could be by now.
func createNew(path string) (int, error) {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL
	fd, err := open(path, flags, 0o600)
	if !errors.Is(err, unix.EEXIST) {
		return fd, err
	}
	if err := unix.Unlink(path); err != nil {
		return -1, err
	}
	return open(path, flags, 0o600)
}

// fill writes a new file, down to the disk, and closes it.
func fill(fd int, data []byte) error {
	err := writeAll(fd, data)
	if err == nil {
		err = unix.Fchmod(fd, fileMode)
	}
	if err == nil && unix.Geteuid() == 0 {
		// A user namespace may not have the group; the mode is what matters.
		_ = unix.Fchown(fd, 0, gidSys)
	}
	if err == nil {
		err = retry(func() error { return unix.Fsync(fd) })
	}
	if err2 := unix.Close(fd); err == nil && !errors.Is(err2, unix.EINTR) {
		err = err2
	}
	return err
}

func writeAll(fd int, data []byte) error {
	for len(data) > 0 {
		n := 0
		err := retry(func() (err error) {
			n, err = unix.Write(fd, data)
			return err
		})
		if err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// stage writes a new file under a staged name, down to the disk.
func (s *Store) stage(name string, data []byte) error {
	path := s.path(name)
	fd, err := createNew(path)
	reason := ErrTemporary
	if err == nil {
		reason = ErrSave
		err = fill(fd, data)
	}
	if errors.Is(err, fs.ErrPermission) {
		reason = ErrPermission
	}
	if err != nil {
		return &Error{Reason: reason, File: path, Err: err}
	}
	return nil
}

func (s *Store) rename(from, to string) error {
	if err := unix.Rename(s.path(from), s.path(to)); err != nil {
		reason := ErrSave
		if to == indexName {
			reason = ErrFileSystem
		}
		return &Error{Reason: reason, File: s.path(to), Err: err}
	}
	return nil
}

// unlink removes a file that may be gone already.
func (s *Store) unlink(name string) error {
	if err := unix.Unlink(s.path(name)); err != nil && !errors.Is(err, unix.ENOENT) {
		return &Error{Reason: ErrFileSystem, File: s.path(name), Err: err}
	}
	return nil
}

func (s *Store) syncDir() error {
	if err := syncDir(s.ConfigDir()); err != nil {
		return &Error{Reason: ErrSave, File: s.ConfigDir(), Err: err}
	}
	return nil
}

func syncDir(dir string) error {
	fd, err := open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = retry(func() error { return unix.Fsync(fd) })
	// Some file systems cannot synchronize a folder and say so.
	if errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

// readXML returns the bytes of a zone's XML file as of the last decided change,
// or an error for ErrNoZone.
func (s *Store) readXML(name zone.Name) ([]byte, Generation, error) {
	path := s.ConfigFile(name)
	data, err := s.through(fileName(name), maxXML, func(j *journal) (string, bool) {
		switch {
		case j.xmlSum != "" && j.name == name:
			return stagedXML, true
		case j.remove == name:
			return "", true
		}
		return "", false
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, Generation{}, &Error{Reason: ErrNoZone}
	case errors.Is(err, fs.ErrPermission):
		return nil, Generation{}, &Error{Reason: ErrPermission, File: path, Err: err}
	case err != nil:
		return nil, Generation{}, &Error{Reason: ErrInvalid, File: path, Err: err}
	}
	return data, sha256.Sum256(data), nil
}

// readIndex returns the text of the index as of the last decided change. An
// index that does not exist reads as one with the global zone alone.
func (s *Store) readIndex() (string, error) {
	data, err := s.through(indexName, maxIndex, func(j *journal) (string, bool) {
		return stagedIndex, j.indexSum != ""
	})
	if errors.Is(err, fs.ErrNotExist) {
		return emptyIndex, nil
	}
	if err != nil {
		reason := ErrFileSystem
		if errors.Is(err, fs.ErrPermission) {
			reason = ErrPermission
		}
		return "", &Error{Reason: reason, File: s.IndexFile(), Err: err}
	}
	return string(data), nil
}

// through reads a file of the configuration folder. If a journal is there,
// instead says which staged file will replace it ("": none, it goes away).
func (s *Store) through(name string, max int64, instead func(*journal) (string, bool)) ([]byte, error) {
	for {
		j, err := s.readJournal()
		if err != nil {
			return nil, err
		}
		if j == nil {
			return readFile(s.path(name), max)
		}
		staged, replaced := instead(j)
		if !replaced {
			return readFile(s.path(name), max)
		}
		if staged == "" {
			return nil, fs.ErrNotExist
		}
		data, err := readFile(s.path(staged), max)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err == nil && (sum(data) == j.xmlSum || sum(data) == j.indexSum) {
			return data, nil
		}
		// Renamed already, or the next change is under way: if the journal is
		// still the same, the file itself is the new one.
		again, err := s.readJournal()
		if err != nil {
			return nil, err
		}
		if again != nil && *again == *j {
			return readFile(s.path(name), max)
		}
	}
}

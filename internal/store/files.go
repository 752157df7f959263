// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

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

// readFile reads a regular file of at most max bytes. It does not wait for the
// other end of a fifo.
func readFile(path string, max int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, bare(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, bare(err)
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	if st.Size() > max {
		return nil, fmt.Errorf("file of %d bytes, %d allowed", st.Size(), max)
	}
	// One byte more than the size, so that the end is seen without growing.
	b := make([]byte, 0, st.Size()+1)
	for {
		n, err := f.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case err == io.EOF:
			return b, nil
		case err != nil:
			return nil, bare(err)
		case int64(len(b)) > max:
			return nil, fmt.Errorf("file grows over %d bytes", max)
		case len(b) == cap(b):
			b = append(b, 0)[:len(b)]
		}
	}
}

// bare strips the path that an [Error] carries itself.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// stage writes a new file under a staged name, down to the disk.
func (s *Store) stage(name string, data []byte) error {
	path := s.path(name)
	fail := func(reason, err error) error {
		if errors.Is(err, fs.ErrPermission) {
			reason = ErrPermission
		}
		return &Error{Reason: reason, File: path, Err: bare(err)}
	}
	f, err := createNew(path)
	if err != nil {
		return fail(ErrTemporary, err)
	}
	err = fill(f, data)
	if err != nil {
		_ = os.Remove(path)
		return fail(ErrSave, err)
	}
	return nil
}

// createNew makes a file, in place of one that a dead process may have left: it
// never writes through what else the name could be by now.
func createNew(path string) (*os.File, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_CLOEXEC, 0o600)
}

// fill writes a new file, down to the disk, and closes it.
func fill(f *os.File, data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Chmod(fileMode)
	}
	if err == nil && os.Geteuid() == 0 {
		// A user namespace may not have the group; the mode is what matters.
		_ = f.Chown(0, gidSys)
	}
	if err == nil {
		err = f.Sync()
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	return err
}

func (s *Store) rename(from, to string) error {
	if err := os.Rename(s.path(from), s.path(to)); err != nil {
		reason := ErrSave
		if to == indexName {
			reason = ErrFileSystem
		}
		return &Error{Reason: reason, File: s.path(to), Err: errors.Unwrap(err)}
	}
	return nil
}

// unlink removes a file that may be gone already.
func (s *Store) unlink(name string) error {
	if err := os.Remove(s.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &Error{Reason: ErrFileSystem, File: s.path(name), Err: bare(err)}
	}
	return nil
}

func (s *Store) syncDir() error {
	if err := syncDir(s.ConfigDir()); err != nil {
		return &Error{Reason: ErrSave, File: s.ConfigDir(), Err: bare(err)}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
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

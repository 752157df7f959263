// SPDX-License-Identifier: Apache-2.0

package zfs

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// A Mounted is a ZFS file system as the mount table of this process has it.
type Mounted struct {
	Dataset string // or snapshot, for one below .zfs
	Path    string
}

// MountTable lists what ZFS has mounted, in the order of the table. A bind
// mount of a part of a file system is left out.
func MountTable() ([]Mounted, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read mount table: %w", err)
	}
	defer f.Close()
	return parseMounts(f)
}

func parseMounts(r io.Reader) ([]Mounted, error) {
	var all []Mounted
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		fields := strings.Fields(scan.Text())
		for i := 6; i+2 < len(fields); i++ {
			if fields[i] != "-" {
				continue
			}
			if fields[i+1] == "zfs" && fields[3] == "/" {
				all = append(all, Mounted{Unescape(fields[i+2]), Unescape(fields[4])})
			}
			break
		}
	}
	return all, scan.Err()
}

// MountedAt gives the dataset whose root is mounted on top at path; empty when
// that is no ZFS file system's mount point.
func MountedAt(path string) (string, error) {
	all, err := MountTable()
	if err != nil {
		return "", err
	}
	dataset := ""
	for _, m := range all {
		if m.Path == path {
			dataset = m.Dataset
		}
	}
	return dataset, nil
}

// Unescape decodes the octal escapes of a mount table.
func Unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && octal(s[i+1:i+4]) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func octal(s string) bool {
	return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' && s[2] <= '7'
}

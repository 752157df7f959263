// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Mounted is one line of a mount table.
type Mounted struct {
	Root   string // the part of the file system that is mounted; / for all
	Path   string
	Kind   string // type of the file system
	Source string // a device, a dataset
	Device string // number of the file system, as MAJOR:MINOR
}

// Table reads the mount table of a process, whose number it is given; "self"
// is this one. Of several mounts at one path the last is on top.
func Table(process string) ([]Mounted, error) {
	f, err := os.Open("/proc/" + process + "/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read mount table: %w", err)
	}
	defer f.Close()
	return parseTable(f)
}

func parseTable(r io.Reader) ([]Mounted, error) {
	var all []Mounted
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		// Names may hold whatever else is a space to somebody.
		fields := strings.Split(scan.Text(), " ")
		sep := slices.Index(fields, "-")
		if sep < 6 || sep+2 >= len(fields) {
			continue
		}
		all = append(all, Mounted{Root: unescape(fields[3]), Path: unescape(fields[4]),
			Kind: fields[sep+1], Source: unescape(fields[sep+2]), Device: fields[2]})
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("read mount table: %w", err)
	}
	return all, nil
}

// unescape decodes the octal escapes of a mount table.
func unescape(s string) string {
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

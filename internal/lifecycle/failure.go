// SPDX-License-Identifier: Apache-2.0

package lifecycle

import "fmt"

// Form is how a message names what it is about. Programs match these forms, so
// each refusal keeps the one it has always had.
type Form int

const (
	FormAbout Form = iota // of the selected zone: Text
	Subject               // of a thing: Subject, Err
	Named                 // of the selected zone, unquoted: Text, Err
	Relay                 // in the supervisor's name: Text
	Bare                  // without a prefix: Text
	Plain                 // in the program's name alone: Text
	Said                  // everything has been said already
)

// Failure is a verb that was not carried out, and how that is to be said.
type Failure struct {
	Form    Form
	Subject string
	Text    string
	Err     error
	Status  int // exit status; 0 stands for 1
}

func (f *Failure) Error() string {
	switch {
	case f.Form == Said:
		return "failed"
	case f.Form == Subject:
		return fmt.Sprintf("%s: %v", f.Subject, f.Err)
	case f.Err != nil:
		return fmt.Sprintf("%s: %v", f.Text, f.Err)
	}
	return f.Text
}

func (f *Failure) Unwrap() error { return f.Err }

// ExitStatus is the status zoneadm ends with.
func (f *Failure) ExitStatus() int {
	if f.Status == 0 {
		return 1
	}
	return f.Status
}

// About is a failure of the selected zone in plain words.
func About(text string) error { return &Failure{Form: FormAbout, Text: text} }

func aboutf(format string, args ...any) error { return About(fmt.Sprintf(format, args...)) }

func bare(format string, args ...any) error {
	return &Failure{Form: Bare, Text: fmt.Sprintf(format, args...)}
}

func subject(x string, err error) error { return &Failure{Form: Subject, Subject: x, Err: err} }

func named(text string, err error) error { return &Failure{Form: Named, Text: text, Err: err} }

// errSaid is a failure whose reasons the Talker has heard.
var errSaid error = &Failure{Form: Said}

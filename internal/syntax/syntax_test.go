// SPDX-License-Identifier: Apache-2.0

package syntax

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
)

var testWords = Words{
	Resource: func(s string) bool { return s == "net" || s == "fs" || s == "rctl" },
	Property: func(s string) bool {
		return strings.Contains(" name value dir options pool zonepath priv limit action ", " "+s+" ") && s != ""
	},
}

// parseAll shows each command as it prints, and each error.
func parseAll(in string) []string {
	p := NewParser(strings.NewReader(in), testWords)
	var out []string
	for {
		c, err := p.Next()
		var bad *Error
		switch {
		case err == io.EOF:
			return out
		case errors.As(err, &bad):
			out = append(out, fmt.Sprintf("%d:%v", bad.Line, bad))
		default:
			out = append(out, fmt.Sprintf("%d:%v", p.Lines(), c))
		}
	}
}

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "",
		";;\n\n # c\n":                       "",
		"add net;commit\n":                   "0:add net|1:commit",
		"addnet\n":                           "1:add net",
		"information\n":                      `1:info "rmation"`,
		"foo bar\ncommit\n":                  "1:syntax error at 'f'|2:commit",
		"inf\n":                              `1:syntax error at 'i'`,
		"ä;commit\n":                         "1:syntax error at 'ä'|1:commit",
		"commit # done\n":                    `1:syntax error at 'done'`,
		"commit; # done\nverify\n":           "0:commit|2:verify",
		"set zonepath = /z\n":                "1:set zonepath=/z",
		"set pool=\n":                        `2:syntax error at '\n'`,
		"set pool=\"\"\n":                    `1:set pool=""`,
		"set name=pool\n":                    "1:set name=pool",
		"set pool=a,b\n":                     "1:set pool=a,b",
		"set options=[]\n":                   "1:set options=[]",
		"add options []\n":                   "1:syntax error at ']'",
		"add options [ro, \"a,b\"]\n":        `1:add options [ro,"a,b"]`,
		"add value (priv=a,limit=5)\n":       "1:add value (priv=a,limit=5)",
		"add value (name=N,value=\"a b\")\n": `1:add value (name=N,value="a b")`,
		"add value [(priv=[),(limit=])]\n":   `1:add value [(priv="["),(limit="]")]`,
		"create -t net\n":                    "1:syntax error at 'net'",
		"create a b c d\n":                   "1:syntax error at 'd'",
		"select net name=a dir=b pool=c\n":   "1:select net name=a dir=b pool=c",
		"select net name=a dir=b pool=c zonepath=d\n": "1:syntax error at 'zonepath'",
		"remove -F net\n":        `1:remove "-F" net`,
		"remove -F net name=x\n": "1:syntax error at 'name'",
		"set -F zonepath=/a\n":   `1:set "-F" zonepath=/a`,
		"set foo=bar\n":          "1:syntax error at '='",
		"set name=\"a\nb\n":      "2:syntax error at 'b'",
		"set name=\"a\n\n":       "2:set name=\"a\n",
		"commit":                 "",
		"commit;verify":          "0:commit",
		"set name=a\"b c\"\n":    "1:syntax error at '\"b c\"'",
		"commit\r\n":             "1:commit \"\r\"",
		"commit a \x00\n":        "1:syntax error at '\\x00'",
		"? add\n":                `1:help "add"`,
	} {
		if got := strings.Join(parseAll(in), "|"); got != want {
			t.Errorf("%q:\n got %q\nwant %q", in, got, want)
		}
	}
}

func TestLargeToken(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	if got := parseAll("set name=" + big + "\n"); len(got) != 1 || len(got[0]) != len(big)+len("1:set name=") {
		t.Errorf("a token of a megabyte came back as %d commands", len(got))
	}
}

// FuzzLexer holds the lexer to its promise that every byte of the input ends
// up in some token or is a separator, and that it comes to an end.
func FuzzLexer(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in string) {
		l := lexer{in: strings.NewReader(in), words: testWords, back: -1}
		size := 0
		for {
			tok := l.token()
			if tok.kind == eof {
				break
			}
			size += len(tok.raw)
			if tok.raw == "" || size > len(in) {
				t.Fatalf("token %q: %d bytes of tokens from %d bytes", tok.raw, size, len(in))
			}
		}
		if l.lines != strings.Count(in, "\n") {
			t.Fatalf("%d lines counted in %q", l.lines, in)
		}
	})
}

// FuzzParser holds every command that was read to reading back the same when
// it is printed.
func FuzzParser(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in string) {
		p := NewParser(strings.NewReader(in), testWords)
		for {
			c, err := p.Next()
			if err == io.EOF {
				return
			}
			var bad *Error
			if errors.As(err, &bad) {
				continue
			}
			line := c.String()
			if line == "" {
				t.Fatalf("%#v cannot be printed", c)
			}
			again, err := NewParser(strings.NewReader(line+"\n"), testWords).Next()
			if err != nil || !reflect.DeepEqual(c, again) {
				t.Fatalf("%q reads back as %#v, %v; want %#v", line, again, err, c)
			}
		}
	})
}

func seeds(f *testing.F) {
	for _, s := range []string{
		"add net;set name=\"a b\";end\n", "# c\nset options=[a,\"b,c\"]\n", "add value (priv=p,limit=5,action=none)\n",
		"set name=\"open\n;", "remove -F fs\n", "info rctl name=a value=[x]\n", "foo\ncommit\r\n", "(((((]]]],,,===\n",
	} {
		f.Add(s)
	}
}

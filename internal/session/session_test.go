// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zones/internal/config"
	"zones/internal/schema"
	"zones/internal/store"
	"zones/internal/zone"
)

// plainFacts is a machine on which everything is there.
type plainFacts struct{}

func (plainFacts) Brand(name string) (config.Brand, bool)   { return config.Brand{}, name != "nosuch" }
func (plainFacts) User(string) bool                         { return true }
func (plainFacts) Link(string) bool                         { return true }
func (plainFacts) State(zone.Name) (zone.State, bool)       { return 0, false }
func (plainFacts) Values(s schema.Source) (values []string) { return []string{"one", "two"} }
func noAnswer(string) (string, error)                       { return "", io.EOF }
func discard(string) (io.WriteCloser, error)                { return nopCloser{io.Discard}, nil }

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// memory is a folder that is not on a disk, if there is one: stores are slow to
// write, as they make sure of every file.
func memory() string {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// testEnv is a session over a root of its own.
func testEnv(t testing.TB, mode Mode, script string) (Env, *bytes.Buffer) {
	t.Helper()
	root, err := os.MkdirTemp(memory(), "session")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	if err := os.MkdirAll(filepath.Join(root, "etc/zones"), 0o755); err != nil {
		t.Fatal(err)
	}
	out := &bytes.Buffer{}
	return Env{
		Program: "zonecfg", Mode: mode, Zone: "z", File: "script", Store: store.Open(root), Facts: plainFacts{},
		Input: strings.NewReader(script), AtLineEnd: func() bool { return true }, Answer: noAnswer, Create: discard,
		Out: out, Err: out,
	}, out
}

// randomConfig makes a configuration that a session could have made.
func randomConfig(r *rand.Rand) *config.Config {
	c := config.New("z")
	c.Zone.SetText(schema.Brand.Property, "linux")
	for _, p := range schema.Global.Props {
		if p == schema.ZoneName.Property || p == schema.Brand.Property || p.Alias != nil || r.IntN(2) == 0 {
			continue
		}
		if text := p.Sample(r)[0]; text != "" {
			c.Zone.SetText(p, text)
		}
	}
	for _, t := range schema.Resources {
		if t.Computed || t == schema.DedicatedCPUResource && c.Text(schema.Pool.Property) != "" {
			continue
		}
		n := r.IntN(4)
		if t.Single {
			n = r.IntN(2)
		}
		for i := range n {
			c.Add(randomResource(r, t, i))
		}
	}
	return c
}

func randomResource(r *rand.Rand, t *schema.Resource, number int) *config.Resource {
	res := config.NewResource(t)
	for _, p := range t.Props {
		switch {
		case p.Alias != nil || !p.Required && p.Shape == schema.Simple && r.IntN(2) == 0 && t != schema.CappedMemoryResource:
		case p.Shape != schema.Simple:
			for range r.IntN(3) + len(t.Props)%2 + 1 {
				res.Append(p, p.Sample(r))
			}
		default:
			text := ""
			for text == "" {
				text = p.Sample(r)[0]
			}
			res.SetText(p, text)
		}
	}
	unique := fmt.Sprintf("%c%d", 'a'+number, number)
	switch t {
	case schema.FSResource:
		res.SetText(schema.FSDir.Property, "/"+unique)
	case schema.NetResource:
		res.SetText(schema.NetPhysical.Property, "net"+unique)
	case schema.AttrResource:
		res.SetText(schema.AttrName.Property, unique)
		if !schema.AttrFits(res.Text(schema.AttrType.Property), res.Text(schema.AttrValue.Property)) {
			res.SetText(schema.AttrType.Property, "string")
		}
	case schema.RctlResource:
		res.SetText(schema.RctlName.Property, "zone."+strings.Repeat("x", number+1))
	case schema.SecurityFlagsResource:
		if len(config.SecurityFlagProblems(res)) > 0 {
			res.Clear(schema.SecurityFlagsLower.Property)
			res.Clear(schema.SecurityFlagsUpper.Property)
		}
	default:
		if t.Key != nil {
			res.SetText(t.Key, res.Text(t.Key)+unique)
		}
	}
	return res
}

// TestExportReadsBack holds export to printing the very configuration, for
// random ones.
func TestExportReadsBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	env, out := testEnv(t, File, "")
	env.Store = store.Open("")
	for i := range 400 {
		want := randomConfig(r)
		text, lost := Export(want, "")
		if len(lost) > 0 {
			t.Fatalf("%v cannot be expressed", lost)
		}
		out.Reset()
		env.Input = strings.NewReader(text)
		s := New(env)
		s.commands()
		if s.failed || out.Len() > 0 {
			t.Fatalf("%d: %s\n%s", i, out, text)
		}
		if !s.doc.Equal(want) {
			again, _ := Export(s.doc, "")
			t.Fatalf("%d:\n%s\nreads back as\n%s", i, text, again)
		}
	}
}

// TestInfoIsTotal holds info to showing every resource and every property that
// is set, of random configurations, and to never failing.
func TestInfoIsTotal(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	env, out := testEnv(t, Operands, "")
	for range 300 {
		c := randomConfig(r)
		out.Reset()
		env.Input = strings.NewReader("info\n")
		s := New(env)
		s.doc = c
		s.commands()
		text := out.String()
		for _, res := range c.Stored() {
			if !strings.Contains(text, "\n"+res.Type.Name+":\n") {
				t.Fatalf("no %s in\n%s", res.Type.Name, text)
			}
			for _, p := range res.Type.Props {
				if _, set := res.Get(p); set && !strings.Contains(text, "\t"+p.Name+": ") {
					t.Fatalf("no %s %s in\n%s", res.Type.Name, p.Name, text)
				}
			}
		}
		for _, p := range schema.Global.Props {
			if _, set := c.Get(p); set && !strings.Contains("\n"+text, "\n"+p.Name+": ") {
				t.Fatalf("no %s in\n%s", p.Name, text)
			}
		}
	}
}

// TestVerifyNeverPanics verifies configurations in which anything can stand
// anywhere, as in a file that somebody wrote by hand.
func TestVerifyNeverPanics(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	texts := []string{"", "a", "/", "//", "-", "0", "-1", "99999999999999999999", "1-", "zone.cpu-cap", "true", "a,b", "\x00", "ä", "fe80::1"}
	wild := func(res *config.Resource) {
		for _, p := range res.Type.Props {
			switch n := r.IntN(3); {
			case n == 0 || p.Alias != nil:
			case p.Shape == schema.Simple:
				res.SetText(p, texts[r.IntN(len(texts))])
			default:
				item := schema.Item{}
				for range max(1, len(p.Fields)) {
					item = append(item, texts[r.IntN(len(texts))])
				}
				res.Append(p, item)
			}
		}
	}
	env, out := testEnv(t, Operands, "")
	for range 3000 {
		out.Reset()
		c := config.New("z")
		wild(c.Zone)
		for range r.IntN(8) {
			if t := schema.Resources[r.IntN(len(schema.Resources))]; !t.Computed {
				res := config.NewResource(t)
				wild(res)
				c.Add(res)
			}
		}
		c.Verify(plainFacts{})
		env.Input = strings.NewReader("info\nverify\nexport\n")
		s := New(env)
		s.doc = c
		s.commands()
	}
}

// FuzzSession carries out any script as standard input. Whatever it does, the
// session ends with a status, and what it leaves in the store can be loaded
// and passes verification.
func FuzzSession(f *testing.F) {
	for _, s := range []string{
		"create -b\nset zonepath=/z\nadd dataset\nset name=a/b\nend\ncommit\n",
		"create;set zonepath=/z;add rctl;set name=zone.cpu-cap;add value (priv=privileged,limit=5,action=deny);end\ninfo\n",
		"create\nset zonepath=/z\ncommit\ndelete -F\ncreate -t z\nset zonename=y\n",
		"create\nset zonepath=/z\nadd capped-memory;set swap=1g;set physical=2g;end;select capped-memory;clear swap;end;export\n",
		"create\nset zonepath=/z;add fs;set dir=/a;set special=b;set type=c;add options [a,b];end;remove fs dir=/a;revert -F\nexit\n",
		"set zonename=q\ncreate\nset zonepath=/q\nadd net;set physical=net0;set address=1.2.3.4;end\nselect net physical=net0;remove defrouter x;end\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script string) {
		if strings.Contains(script, "-a") {
			return // reads any file of the host
		}
		env, _ := testEnv(t, Pipe, script)
		// The root is given and taken off again as a prefix of zonepaths.
		env.Input = strings.NewReader(strings.ReplaceAll(script, "zonepath=/", "zonepath="+env.Store.Root()+"/"))
		s := New(env)
		if status := s.Run(); status != 0 && status != 1 {
			t.Fatalf("exit status %d", status)
		}
		entries, err := env.Store.Index()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name == zone.Global {
				continue
			}
			c, _, err := env.Store.Load(e.Name)
			if err != nil {
				t.Fatalf("zone %s was left so that it does not load: %v", e.Name, err)
			}
			if r := c.Verify(plainFacts{}); !r.OK() {
				t.Fatalf("zone %s was stored in spite of %v", e.Name, r.Messages)
			}
		}
	})
}

func TestInterruptDropsTheLine(t *testing.T) {
	env, out := testEnv(t, Terminal, "")
	env.Input = &typed{text: "set po\x03info\nset \x03"}
	if status := New(env).Run(); status != 1 || strings.Contains(out.String(), "syntax error") {
		t.Errorf("status %d: %s", status, out)
	}
}

// typed is a line source in which control-C interrupts.
type typed struct{ text string }

func (l *typed) ReadByte() (byte, error) {
	if l.text == "" {
		return 0, io.EOF
	}
	c := l.text[0]
	if l.text = l.text[1:]; c == 3 {
		return 0, ErrInterrupted
	}
	return c, nil
}

var errSome = errors.New("some fault")

type faulty struct{}

func (faulty) ReadByte() (byte, error) { return 0, errSome }

func TestFaultyInput(t *testing.T) {
	env, out := testEnv(t, Pipe, "")
	env.Input = faulty{}
	if status := New(env).Run(); status != 1 || !strings.Contains(out.String(), "read commands: some fault") {
		t.Errorf("status %d: %s", status, out)
	}
}

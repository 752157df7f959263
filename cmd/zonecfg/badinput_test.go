// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// wrong is an input that must be refused: with this message somewhere and this
// exit status, and without any change to what is stored.
type wrong struct {
	script, message string
	status          int
}

const (
	net9      = "add net; set physical=net9; "
	outOf     = " property is out of range.\n"
	notSize   = "A positive number with a required scale suffix (K, M, G or T) was expected here.\n"
	notSize0  = "A non-negative number with a required scale suffix (K, M, G or T) was expected\nhere.\n"
	badRctl   = "Invalid rctl value specification\n"
	tooLong   = ": Argument list too long\n"
	invalid   = ": Specified property is invalid\n"
	simpleVal = "A simple value was expected here.\n"
)

var wrongInputs = []wrong{
	// What is no command.
	{"frob", "syntax error at 'f'", 1},
	{"inf", "syntax error at 'i'", 1},
	{"Set pool=a", "syntax error at 'S'", 1},
	{"\x00", `syntax error at '\x00'`, 1},
	{"\x1b[31m", `syntax error at '\x1b'`, 1},
	{"\xff\xfe", "syntax error at '", 1},
	{"é", "syntax error at 'é'", 1},
	{"= a", "syntax error at '='", 1},
	{"\"set\" pool=a", "syntax error at '\"'", 1},
	{"()", "syntax error at '('", 1},
	{"set", "usage:\nset", 1},
	{"set pool", `syntax error at '\n'`, 1},
	{"set pool=", `syntax error at '\n'`, 1},
	{"set pool==a", "syntax error at '='", 1},
	{"set =a", "syntax error at '='", 1},
	{"set pool=a b", "syntax error at 'b'", 1},
	{"set pool=\"a\"b", "syntax error at 'b'", 1},
	{"set pool=a\"b\"", "syntax error at '\"b\"'", 1},
	{"set pool=\"a\nset pool=b", "syntax error at 'set'", 1},
	{"set pool=[", `syntax error at '\n'`, 1},
	{"set pool=[a", `syntax error at '\n'`, 1},
	{"set pool=[a,", `syntax error at '\n'`, 1},
	{"set pool=[a b]", "syntax error at 'b'", 1},
	{"set pool=[[a]]", "syntax error at '['", 1},
	{"set pool=]", "syntax error at ']'", 1},
	{"set pool=(", `syntax error at '\n'`, 1},
	{"set pool=()", "syntax error at ')'", 1},
	{"set pool=(a=b)", "syntax error at 'a'", 1},
	{"set pool=(name)", "syntax error at ')'", 1},
	{"set pool=(name=a", `syntax error at '\n'`, 1},
	{"set pool=(name=a,)", "syntax error at ')'", 1},
	{"set pool=(name=a;value=b)", "syntax error at ';'", 1},
	{"set nosuch=a", "syntax error at '='", 1},
	{"set net=a", "syntax error at 'net'", 1},
	{"set -F", `syntax error at '\n'`, 1},
	{"set -F pool=a", "syntax error at 'pool'", 1},
	{"add", "usage:\nadd", 1},
	{"add nosuch", "usage:\nadd", 1},
	{"add net fs", "syntax error at 'fs'", 1},
	{"add options", `syntax error at '\n'`, 1},
	{"add options []", "syntax error at ']'", 1},
	{"select", "usage:\nselect", 1},
	{"select net", "usage:\nselect", 1},
	{"select net physical", `syntax error at '\n'`, 1},
	{"select net physical=", `syntax error at '\n'`, 1},
	{"select nosuch a=b", "syntax error at 'nosuch'", 1},
	{"select attr name=a name=b name=c name=d", "syntax error at 'name'", 1},
	{"remove", "usage:\nremove", 1},
	{"remove -F", "usage:\nremove", 1},
	{"remove -F net physical=a", "syntax error at 'physical'", 1},
	{"clear", "usage:\nclear", 1},
	{"clear nosuch", "syntax error at 'nosuch'", 1},
	{"clear pool bootargs", "syntax error at 'bootargs'", 1},
	{"info nosuch", "usage:\ninfo", 1},
	{"info dir", "syntax error at 'dir'", 1},
	{"info net fs", "syntax error at 'fs'", 1},
	{"commit now", "usage:\ncommit", 1},
	{"commit # now", "syntax error at 'now'", 1},
	{"commit\r", "usage:\ncommit", 1},
	{"create -t", "usage:\ncreate", 1},
	{"create -q", "usage:\ncreate", 1},
	{"create a b c d", "syntax error at 'd'", 1},
	{"create -F -t nosuch", "nosuch: No such zone configured", 1},
	{"create -F -t ../z", "../z: No such zone configured", 1},
	{"create -F -t /etc/passwd", "/etc/passwd: No such zone configured", 1},
	{"create", "create command ignored, exiting.", 1},
	{"create -F -a relative", "invalid path to detached zone", 0},
	{"delete", "delete command ignored, exiting.", 1},
	{"delete -F x", "syntax error at 'x'", 1},
	{"delete x", "usage:\ndelete", 1},
	{"export -f", "usage:\nexport", 1},
	{"export -f /nosuch/x", "opening file /nosuch/x: No such file or directory", 0},
	{"help nosuch", "Unknown help subject nosuch.  ", 0},
	{"end", "The end command only makes sense in the resource scope.", 1},
	{"cancel", "The cancel command only makes sense in the resource scope.", 1},
	{"revert -F", "No changes to revert.", 1},
	{"add net", "Resource incomplete.", 1},
	{"add net; commit; cancel", "resource specification incomplete", 1},
	{"add net; select fs dir=/a; cancel", "The select command only makes sense in the global scope.", 1},
	{"add net; add fs; cancel", "usage:\nadd", 1},

	// Properties of the zone.
	{"set dir=/a", "Cannot set a resource-specific property from the global scope.", 1},
	{"set pool=[a,b]", simpleVal, 1},
	{"set pool=(name=a,value=b)", simpleVal, 1},
	{"set pool=\x01", "pool" + invalid, 1},
	{"set pool=\x00", "pool" + invalid, 1},
	{"set bootargs=\xff", "bootargs" + invalid, 1},
	{"set bootargs=\"\xc3\"", "bootargs" + invalid, 1},
	{"set bootargs=" + strings.Repeat("x", 1<<20), "bootargs" + tooLong, 1},
	{"set bootargs=" + strings.Repeat("x", 256), "bootargs" + tooLong, 1},
	{"set scheduling-class=" + strings.Repeat("x", 256), "scheduling-class" + tooLong, 1},
	{"set brand=" + strings.Repeat("x", 256), "brand" + tooLong, 1},
	{"set brand=nosuch", "z: unknown brand.\n\nz: Invalid document\n", 1},
	{"set brand=../linux", "z: unknown brand.\n", 1},
	{"set pool=SUNWx", "pool names starting with SUNW are reserved.", 1},
	{"set zonename=" + strings.Repeat("n", 64), ": Bogus zone name\n", 1},
	{"set zonename=\"\"", ": Bogus zone name\n", 1},
	{"set zonename=../x", "../x: Bogus zone name\n", 1},
	{"set zonename=a:b", "a:b: Bogus zone name\n", 1},
	{"set zonename=ü", "ü: Bogus zone name\n", 1},
	{"set zonename=global", "global: Bogus zone name\n", 1},
	{"set zonename=other", "other: Zone name already in use\n", 1},
	{"set zonepath=rel", "rel is not an absolute path.", 1},
	{"set zonepath=/", "/ is not allowed as a zonepath.", 1},
	{"set zonepath=///", "/// is not allowed as a zonepath.", 1},
	{"set zonepath=/elsewhere", "z: Bad document property", 1},
	{"set zonepath=$R/../x", "/../x is not allowed as a zonepath.", 1},
	{"set zonepath=$R/..", "/.. is not allowed as a zonepath.", 1},
	{"set zonepath=$R/" + strings.Repeat("p", 1100), "zonepath" + tooLong, 1},
	{"clear zonepath", "zonepath: Clearing this property is not allowed", 1},
	{"set autoboot=yes", "autoboot value must be 'true' or 'false'.", 1},
	{"set autoboot=True", "autoboot value must be 'true' or 'false'.", 1},
	{"set ip-type=both", "ip-type value must be 'shared' or 'exclusive'.", 1},
	{"set hostid=0xFFFFFFFF", "hostid" + invalid, 1},
	{"set hostid=-1", "hostid" + invalid, 1},
	{"set hostid=123456789abc", "hostid string is too large: 123456789abc", 1},
	{"set fs-allowed=a,,b", "z" + invalid, 1},
	{"set fs-allowed=\"a;b\"", "z" + invalid, 1},
	{"set fs-allowed=" + strings.Repeat("a", 1025), "z" + tooLong, 1},
	{"set limitpriv=nosuch", "z: invalid privilege: nosuch", 1},
	{"set limitpriv=default,default", "z: invalid privilege: default", 1},
	{"set max-lwps=99", "max-lwps" + outOf, 1},
	{"set max-lwps=1e9", "max-lwps" + outOf, 1},
	{"set max-lwps=18446744073709551616", "max-lwps" + outOf, 1},
	{"set cpu-shares=-1", "cpu-shares" + outOf, 1},
	{"set cpu-shares=1.5", "cpu-shares" + outOf, 1},
	{"set max-shm-memory=1GB", notSize0, 1},
	{"set max-shm-memory=16777216T", notSize0, 1},
	{"set id-base=0", "id-base" + outOf, 1},
	{"set id-size=65535", "id-size" + outOf, 1},
	{"set id-base=4294967294", "the range goes beyond the last id", 1},

	// Resources.
	{"add fs; end; cancel", "dir not specified\nspecial not specified\ntype not specified\n", 1},
	{"add fs; set dir=rel; set special=/s; set type=lofs; end; cancel", "dir rel is not an absolute path.", 1},
	{"add fs; set dir=/a/../../b; set special=/s; set type=lofs; end; cancel", "dir /a/../../b must not contain '..'.", 1},
	{"add fs; set type=a/b; cancel", "\"a/b\" is not a valid type.", 1},
	{"add fs; set type=..; cancel", "\"..\" is not a valid type.", 1},
	{"add fs; set type=averylongfilesystemtype; cancel", "type" + tooLong, 1},
	{"add fs; set dir=/a; set special=/s; set type=lofs; end", "A fs resource with the dir '/a' already exists.\n", 1},
	{"add fs; set options=(name=a,value=b); cancel", "A simple or list value was expected here.\n", 1},
	{"add fs; set pool=a; cancel", "pool: No such property type", 1},
	{"select fs dir=/a; remove options nosuch; cancel", "options: No such property with that id", 1},
	{"add net; set address=10.0.0.1; end; cancel", "physical not specified", 1},
	{"add net; set address=fe80::1; cancel", "IPv6 addresses require /prefix-length suffix.", 1},
	{"add net; set address=::1/129; cancel", "IPv6 address prefix lengths must be 0 - 128.", 1},
	{"add net; set address=1.2.3.4/33; cancel", "IPv4 address prefix lengths must be 0 - 32.", 1},
	{"add net; set address=1.2.3.4/99999999999999999999; cancel", "IPv4 address prefix lengths must be 0 - 32.", 1},
	{"add net; set address=a_b; cancel", "a_b: bogus host name or network address syntax", 1},
	{"add net; set address=fe80::1%eth0/64; cancel", "bogus host name or network address syntax", 1},
	{"add net; set physical=../x; cancel", "../x: invalid physical interface name", 1},
	{"add net; set physical=net0:1; cancel", "LUNs not allowed in physical interface names", 1},
	{net9 + "end", "net: address not specified\n", 1},
	{"add device; end; cancel", "match not specified", 1},
	{"add device; set match=" + strings.Repeat("m", 1024) + "; cancel", "match" + tooLong, 1},
	{"add rctl; set name=max-lwps; cancel", "'max-lwps' is not a valid zone rctl name.", 0},
	{"add rctl; set name=zone.x; end; cancel", "no value specified", 1},
	{"add rctl; add value (priv=privileged,limit=99999999999999999999,action=none); cancel", badRctl, 0},
	{"add rctl; add value (priv=privileged,limit=0b1,action=none); cancel", badRctl, 0},
	{"add rctl; add value (priv=system,limit=1,action=none); cancel", badRctl, 0},
	{"add rctl; add value (priv=privileged); cancel", "limit not specified", 0},
	{"add rctl; add value (priv=privileged,priv=privileged); cancel", "priv already specified", 0},
	{"add rctl; add value 1; cancel", "A complex or list value was expected here.", 1},
	{"add attr; set name=_; set type=string; set value=a; end; cancel", "must start with an alpha-numeric character.", 1},
	{"add attr; set name=a; set type=float; set value=1; end; cancel", "invalid attr type 'float'", 1},
	{"add attr; set name=a; set type=uint; set value=-1; end; cancel", "invalid attr value for type=uint", 1},
	{"add attr; set name=a; set type=string; set value=" + strings.Repeat("v", 2048) + "; cancel", "value" + tooLong, 1},
	{"add dataset; set name=tank//a; end", "dataset: name invalid", 1},
	{"add dataset; set name=/tank; end", "dataset: name invalid", 1},
	{"add dataset; set name=tank/; end", "dataset: name invalid", 1},
	{"add dataset; set name=tank@snap; end", "dataset: name invalid", 1},
	{"add dataset; set name=tank#mark; end", "dataset: name invalid", 1},
	{"add dataset; set name=tank/../x; end", "dataset: name invalid", 1},
	{"add dataset; set name=" + strings.Repeat("d", 256) + "; cancel", "name" + tooLong, 1},
	{"add dataset; set alias=a/b; cancel", "alias" + invalid, 1},
	{"add dedicated-cpu; set ncpus=0; cancel", "ncpus" + outOf, 1},
	{"add dedicated-cpu; set ncpus=3-2; cancel", "ncpus" + outOf, 1},
	{"add dedicated-cpu; set ncpus=99999999999; cancel", "ncpus" + outOf, 1},
	{"add dedicated-cpu; end; cancel", "ncpus not specified", 1},
	{"add capped-cpu; set ncpus=0.009; cancel", "ncpus" + outOf, 1},
	{"add capped-cpu; set ncpus=1.2.3; cancel", "ncpus" + outOf, 1},
	{"add capped-memory; set physical=1023K; cancel", "physical value is too small.  It must be at least 1M.", 1},
	{"add capped-memory; set physical=1.5.5G; cancel", notSize, 1},
	{"add capped-memory; set physical=-1G; cancel", notSize, 1},
	{"add capped-memory; set physical=99999999T; cancel", notSize, 1},
	{"add capped-memory; set swap=1M; cancel", "swap value is too small.  It must be at least 50M.", 1},
	{"add capped-memory; end; cancel", "No property was specified.  One of physical, swap or locked is required.", 1},
	{"add admin; set user=no:such; set auths=login; end; cancel", "user no:such is not a valid username", 1},
	{"add admin; set user=root; set auths=fly; end; cancel", "zone 'z': 'fly' is not a valid authorization", 1},
	{"add security-flags; set default=fast; end; cancel", "default security flags 'fast' are invalid", 1},
	{"remove net", "remove net: No such entry", 1},
	{"remove attr name=x", "remove attr: No such resource with that id", 1},
	{"select attr name=x", "select attr: No such resource with that id", 1},
	{"select capped-cpu", "select capped-cpu: No such entry", 1},
	{"select net address=a allowed-address=b", "select net: Invalid argument", 1},
	{"select fs options=ro", "options: No such property type", 1},
	{"clear max-lwps", "clear max-lwps: No such entry", 1},
}

func TestWrongInputs(t *testing.T) {
	if len(wrongInputs) < 120 {
		t.Fatalf("%d wrong inputs, 120 are promised", len(wrongInputs))
	}
	root, zonecfg := inProcess(t)
	setup := "create -b; set zonepath=" + root + "/zones/z; add fs; set dir=/a; set special=/s; set type=lofs; end"
	for _, name := range []string{"z", "other"} {
		if status, out := zonecfg("-z", name, setup); status != 0 {
			t.Fatal(out)
		}
	}
	before := stored(t, root)
	for _, w := range wrongInputs {
		status, out := zonecfg("-z", "z", strings.ReplaceAll(w.script, "$R", root))
		if status != w.status || !strings.Contains(out, w.message) {
			t.Errorf("%.80q: status %d, want %d; output\n%.400s\nwant %q", w.script, status, w.status, out, w.message)
		}
		if after := stored(t, root); after != before {
			t.Fatalf("%.80q changed what is stored:\n%s", w.script, after)
		}
	}
}

// inMemory makes a folder that is not on a disk, if there is a place for one:
// the store makes sure of every file that it writes, which takes time.
func inMemory(t testing.TB) string {
	t.Helper()
	base := ""
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		base = "/dev/shm"
	}
	dir, err := os.MkdirTemp(base, "zonecfg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// inProcess makes a root and a function that runs zonecfg on it without
// starting a process.
func inProcess(t testing.TB) (root string, zonecfg func(args ...string) (int, string)) {
	t.Helper()
	root = inMemory(t)
	if err := os.MkdirAll(filepath.Join(root, "etc/zones"), 0o755); err != nil {
		t.Fatal(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	return root, func(args ...string) (int, string) {
		var out bytes.Buffer
		status := run(append([]string{"zonecfg", "-R", root}, args...), null, &out, &out)
		return status, out.String()
	}
}

// stored is all that is stored below a root, with names.
func stored(t *testing.T, root string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "etc/zones/*"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(f + "\n" + string(data))
	}
	return all.String()
}

// TestManyResources commits a hundred thousand resources, and refuses one that
// is there already.
func TestManyResources(t *testing.T) {
	root, zonecfg := inProcess(t)
	var b strings.Builder
	b.WriteString("create -b\nset zonepath=" + root + "/zones/z\n")
	for i := range 100_000 {
		b.WriteString("add attr\nset name=a" + strconv.Itoa(i) + "\nset type=int\nset value=1\nend\n")
	}
	b.WriteString("add attr\nset name=a99999\nset type=int\nset value=1\nend\n")
	file := filepath.Join(root, "script")
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	status, out := zonecfg("-z", "z", "-f", file)
	if status != 1 || out != "On line 500007 of "+file+":\nAn attr resource with the name 'a99999' already exists.\n" {
		t.Fatalf("status %d: %.300s", status, out)
	}
	t.Logf("stored after %v", time.Since(begin))
	if status, out := zonecfg("-z", "z", "info attr name=a77777"); status != 0 || !strings.Contains(out, "name: a77777\n") {
		t.Errorf("status %d: %.300s", status, out)
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"zones/internal/delegns"
)

// datasets exist below tank; m is delegable, and so is n.
var datasets = []string{"tank", "tank/m", "tank/m/a", "tank/m/a/b", "tank/m/a/b/c", "tank/m/ab", "tank/m/a-b",
	"tank/m/b", "tank/m/b/a", "tank/n", "tank/n/a"}

// titles are few, so that they collide.
var titles = []string{"x", "y", "z", "w"}

// agent is the driver's end of a process.
type agent struct {
	conn *net.UnixConn
	pid  int
}

type driver struct {
	rng     *rand.Rand
	world   *world
	self    *actor // the host's root
	users   []*user
	agents  map[*user]*agent
	listen  *net.UnixListener
	socket  string
	next    int
	counts  map[string]int
	spent   map[string]time.Duration // where the time went
	slowest time.Duration            // from a death until it was noticed
}

func newDriver(rng *rand.Rand) (*driver, error) {
	self, err := newActor()
	if err != nil {
		return nil, err
	}
	d := &driver{rng: rng, world: newWorld(), self: self, agents: map[*user]*agent{}, counts: map[string]int{},
		spent: map[string]time.Duration{}}
	d.socket = fmt.Sprintf("@delegns-model-%d", os.Getpid())
	if d.listen, err = net.ListenUnix("unixpacket", &net.UnixAddr{Name: d.socket, Net: "unixpacket"}); err != nil {
		return nil, err
	}
	for range 3 {
		top, err := d.spawn(d.world.root)
		if err != nil {
			return nil, err
		}
		for range 2 {
			if _, err := d.spawn(top); err != nil {
				return nil, err
			}
		}
	}
	_, err = d.spawn(d.users[1])
	return d, err
}

// ask has an agent, or the host's root, do something.
func (d *driver) ask(u *user, r request, userns *os.File) (answer, error) {
	if u == d.world.root {
		return d.self.do(r, userns, d.socket), nil
	}
	var ans answer
	a := d.agents[u]
	if err := send(a.conn, r, userns); err != nil {
		return ans, err
	}
	_, err := receive(a.conn, &ans)
	if err == nil && ans.Fail != "" {
		err = fmt.Errorf("agent %d: %s: %s", u.id, r.Op, ans.Fail)
	}
	return ans, err
}

func (d *driver) spawn(parent *user) (*user, error) {
	d.next++
	ans, err := d.ask(parent, request{Op: "spawn", Child: d.next}, nil)
	if err == nil && (ans.Fail != "" || ans.Errno != 0) {
		err = fmt.Errorf("%s: %w", ans.Fail, ans.Errno)
	}
	if err != nil {
		return nil, fmt.Errorf("spawn: %w", err)
	}
	if err := d.listen.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	c, err := d.listen.AcceptUnix()
	if err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	var hello answer
	if _, err := receive(c, &hello); err != nil || hello.Agent != d.next {
		return nil, fmt.Errorf("hello of %d from %d: %w", d.next, hello.Agent, err)
	}
	u := &user{id: d.next, parent: parent, alive: true}
	d.users = append(d.users, u)
	d.agents[u] = &agent{c, hello.PID}
	return u, nil
}

// kill ends a user namespace and all below it, and makes it anew.
func (d *driver) kill(u *user) error {
	dying := []*user{}
	for _, x := range d.users {
		if x == u || x.below(u) {
			dying = append(dying, x)
		}
	}
	for _, x := range slices.Backward(dying) {
		_ = unix.Kill(d.agents[x].pid, unix.SIGKILL)
		d.agents[x].conn.Close()
		delete(d.agents, x)
	}
	d.world.kill(dying)
	d.users = slices.DeleteFunc(d.users, func(x *user) bool { return !x.alive })
	// Whoever was there, with its parents anew.
	anew := map[*user]*user{}
	for _, x := range dying {
		parent := x.parent
		if p := anew[parent]; p != nil {
			parent = p
		}
		y, err := d.spawn(parent)
		if err != nil {
			return err
		}
		anew[x] = y
	}
	return nil
}

func (d *driver) walk(steps int) error {
	for i := range steps {
		began := time.Now()
		what, err := d.step()
		d.spend("steps", began)
		if err == nil {
			err = d.compare(what)
		}
		if err != nil {
			return fmt.Errorf("step %d, %s: %w", i, what, err)
		}
	}
	for len(d.world.spaces) > 0 {
		s := d.world.spaces[0]
		if _, err := d.ask(d.world.root, request{Op: "destroy", ID: s.id}, nil); err != nil {
			return err
		}
		d.world.end(s)
	}
	return d.compare("the end")
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// step does one thing in both worlds and compares the errnos.
func (d *driver) step() (string, error) {
	u := d.world.root
	if d.rng.IntN(2) == 0 {
		u = pick(d.rng, d.users)
	}
	n := d.rng.IntN(1000)
	if n < 4 {
		x := pick(d.rng, d.users)
		d.counts["kill"]++
		return fmt.Sprintf("kill of %d", x.id), d.kill(x)
	}
	if n < 180 || len(d.world.spaces) == 0 {
		return d.create(u)
	}
	s := pick(d.rng, d.world.spaces)
	switch {
	case n < 330:
		return d.attachment(u, s, "attach", d.world.attach)
	case n < 380:
		return d.attachment(u, s, "detach", d.world.detach)
	case n < 660:
		return d.resource(u, s, "grant", d.world.grant)
	case n < 880:
		return d.resource(u, s, "revoke", d.world.revoke)
	case n < 910:
		return d.do(u, request{Op: "destroy", ID: s.id}, nil, d.world.destroy(u, s))
	case n < 940:
		return d.do(u, request{Op: "open", ID: s.id, Hold: true}, nil, d.world.open(u, s, true))
	default:
		return d.close(s)
	}
}

// do compares the errno of one request with what the reference expects.
func (d *driver) do(u *user, r request, userns *os.File, want unix.Errno) (string, error) {
	what := fmt.Sprintf("%s of %d %s by %d", r.Op, r.ID, r.Text, u.id)
	ans, err := d.ask(u, r, userns)
	if err == nil && ans.Fail != "" {
		err = errors.New(ans.Fail)
	}
	if err == nil && ans.Errno != want {
		err = fmt.Errorf("the module says %d (%v), the reference %d (%v)", int(ans.Errno), ans.Errno, int(want), want)
	}
	if want == 0 {
		d.counts[r.Op]++
	} else {
		d.counts["refused"]++
	}
	return what, err
}

func (d *driver) create(u *user) (string, error) {
	title := pick(d.rng, titles)
	s, want := d.world.create(u, title)
	ans, err := d.ask(u, request{Op: "create", Text: title}, nil)
	what := fmt.Sprintf("create of %s by %d", title, u.id)
	if err == nil && ans.Errno != want {
		err = fmt.Errorf("the module says %v, the reference %v", ans.Errno, want)
	}
	if s != nil {
		s.id = ans.ID
		d.counts["create"]++
	} else {
		d.counts["refused"]++
	}
	return what, err
}

func (d *driver) attachment(u *user, s *space, op string, do func(*user, *space, *user) unix.Errno) (string, error) {
	target := pick(d.rng, d.users)
	if op == "detach" && len(s.attached) > 0 && d.rng.IntN(3) > 0 {
		target = pick(d.rng, s.attached)
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", d.agents[target].pid))
	if err != nil {
		return op, err
	}
	defer f.Close()
	what, err := d.do(u, request{Op: op, ID: s.id}, f, do(u, s, target))
	return what + fmt.Sprintf(" for %d", target.id), err
}

func (d *driver) resource(u *user, s *space, op string, do func(*user, *space, string) unix.Errno) (string, error) {
	res := pick(d.rng, datasets[1:])
	if op == "revoke" && len(s.grants) > 0 && d.rng.IntN(4) > 0 {
		res = pick(d.rng, s.grants)
	}
	return d.do(u, request{Op: op, ID: s.id, Text: res}, nil, do(u, s, res))
}

// close closes a descriptor that holds a namespace, if there is one.
func (d *driver) close(s *space) (string, error) {
	for _, u := range slices.Concat([]*user{d.world.root}, d.users) {
		if s.holders[u] == 0 {
			continue
		}
		what, err := d.do(u, request{Op: "close", ID: s.id}, nil, 0)
		d.world.close(u, s)
		return what, err
	}
	return "nothing", nil
}

// mourning is how long a death may take to be noticed. It is a second on a
// machine that has time; here it is enough that it happens.
const mourning = time.Minute

// compare holds the module and OpenZFS to the reference.
func (d *driver) compare(what string) error {
	death := time.Now()
	for {
		began := time.Now()
		err := d.compareModule()
		d.spend("the module", began)
		began = time.Now()
		if err == nil {
			err = d.compareAccess()
		}
		d.spend("OpenZFS", began)
		if !strings.HasPrefix(what, "kill") {
			return err
		}
		if took := time.Since(death); err == nil || took > mourning {
			d.slowest = max(d.slowest, took)
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (d *driver) compareModule() error {
	entries, err := d.self.dev.List(false)
	if err != nil {
		return err
	}
	var got, want []string
	for _, e := range entries {
		ns, err := d.self.dev.OpenByID(e.ID, delegns.Watch)
		if err != nil {
			return err
		}
		said, err := d.describe(ns)
		ns.Close()
		if err != nil {
			return err
		}
		got = append(got, said)
	}
	for _, s := range d.world.spaces {
		holders := 0
		for _, n := range s.holders {
			holders += n
		}
		line := fmt.Sprintf("%d %s below %d, %d hold, %d attached:", s.id, s.title, s.parent.id, holders, len(s.attached))
		for _, g := range s.grants {
			line += fmt.Sprintf(" %s %v", g, s.maximal(g))
		}
		want = append(want, line)
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("the module says\n  %s\nthe reference\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	return nil
}

func (d *driver) describe(ns *delegns.NS) (string, error) {
	info, err := ns.Info(false)
	if err != nil {
		return "", err
	}
	grants, err := ns.Grants()
	line := fmt.Sprintf("%d %s below %d, %d hold, %d attached:", info.ID, info.Name, info.Parent, info.Holders, info.Attached)
	for _, g := range grants {
		line += fmt.Sprintf(" %s %v", g.Resource, g.Maximal)
	}
	return line, err
}

func (d *driver) compareAccess() error {
	errs := make([]error, len(d.users))
	var wg sync.WaitGroup
	for i, u := range d.users {
		wg.Add(1)
		go func() {
			defer wg.Done()
			ans, err := d.ask(u, request{Op: "probe", Datasets: datasets}, nil)
			if err != nil {
				errs[i] = err
				return
			}
			want := make([]byte, len(datasets))
			for j, ds := range datasets {
				want[j] = u.access(ds)
			}
			if ans.Probe != string(want) {
				errs[i] = fmt.Errorf("OpenZFS gives %d the access %s, the reference %s, to %v", u.id, ans.Probe, want, datasets)
			}
		}()
	}
	wg.Wait()
	d.counts["probes"] += len(d.users) * len(datasets)
	return errors.Join(errs...)
}

func (d *driver) spend(on string, began time.Time) { d.spent[on] += time.Since(began) }

func (d *driver) summary() string {
	var said []string
	for _, k := range slices.Sorted(maps.Keys(d.spent)) {
		said = append(said, fmt.Sprintf("%.1f s for %s", d.spent[k].Seconds(), k))
	}
	for _, k := range slices.Sorted(maps.Keys(d.counts)) {
		said = append(said, fmt.Sprintf("%d %s", d.counts[k], k))
	}
	said = append(said, fmt.Sprintf("the slowest death noticed after %.1f s", d.slowest.Seconds()))
	return strings.Join(said, ", ")
}

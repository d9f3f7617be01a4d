package upstream

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

// present is who is a member, and who of them is picked.
func present(c *Cluster) string {
	var all []string
	for _, h := range c.Hosts() {
		s := h.Address()
		if h.Flags()&Absent != 0 {
			s += " absent"
		}
		if !h.Usable() {
			s += " out"
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

func member(t *testing.T, c *Cluster, address string) *Host {
	t.Helper()
	for _, h := range c.Hosts() {
		if h.Address() == address {
			return h
		}
	}
	t.Fatalf("%s is no member", address)
	return nil
}

func TestHealthComesBeforeDiscovery(t *testing.T) {
	for _, c := range []struct {
		name         string
		checked      bool
		ignore       bool
		flags        Flag // of b
		standing     Standing
		tells, after string // once discovery tells of b, and when it does no more
	}{
		{"healthy", true, false, 0, Unknown, "a, b", "a, b absent"},
		{"failed", true, false, FailedCheck, Unknown, "a, b out", "a"},
		{"not checked yet", true, false, Unchecked, Unknown, "a, b out", "a"},
		{"ejected", true, false, Ejected, Unknown, "a, b out", "a, b absent out"},
		{"drained", true, false, Drained, Unknown, "a, b out", "a, b absent out"},
		{"degraded", true, false, DegradedCheck, Unknown, "a, b", "a, b absent"},
		{"told as draining", true, false, 0, Draining, "a, b out", "a"},
		{"told as unhealthy", true, false, 0, Unhealthy, "a, b out", "a"},
		{"health ignored", true, true, 0, Unknown, "a, b", "a"},
		{"no checks", false, false, 0, Unknown, "a, b", "a"},
	} {
		cluster := New(Options{Checked: c.checked, IgnoreHealth: c.ignore})
		cluster.Update([]Endpoint{{Address: "a"}, {Address: "b", Standing: c.standing}})
		member(t, cluster, "b").Mark(c.flags, true)
		if got := present(cluster); got != c.tells {
			t.Errorf("%s: told of: %s, want %s", c.name, got, c.tells)
		}
		cluster.Update(Addresses("a"))
		if got := present(cluster); got != c.after {
			t.Errorf("%s: told of no more: %s, want %s", c.name, got, c.after)
		}
	}
}

func TestAnEmptyAnswerTakesNobodyAwayUntilChecksFail(t *testing.T) {
	c := New(Options{Name: "shop", Checked: true, Endpoints: Addresses("a", "b")})
	b := member(t, c, "b")
	if m := c.Update(nil); fmt.Sprint(m) != "{[] [] [a b] [] 2 2 false}" {
		t.Errorf("%+v", m)
	}
	if m := c.Update(nil); !m.Same || m.Total != 2 {
		t.Errorf("the same again: %+v", m)
	}
	h, err := c.Pick(t.Context(), new(Want))
	if err != nil {
		t.Fatal(err)
	}
	new(Want).Done(h)
	b.Mark(FailedCheck, true)
	if got := present(c); got != "a absent" || !b.Forgotten() {
		t.Errorf("after its check failed: %s", got)
	}
	if m := c.Update(Addresses("a", "b")); fmt.Sprint(m) != "{[b] [] [] [a] 2 0 false}" {
		t.Errorf("%+v", m)
	}
	if member(t, c, "b") == b {
		t.Error("a host that was removed is here again")
	}
}

func TestAHostThatStaysKeepsWhatItHas(t *testing.T) {
	c := New(Options{Endpoints: Addresses("a", "b")})
	a := member(t, c, "a")
	a.Mark(Drained, true)
	a.begin().Report(&Result{Status: 200})
	new(Want).Done(a)
	c.Update([]Endpoint{{Address: "b"}, {Address: "a", Weight: 7}, {Address: "a", Weight: 9}})
	if got := present(c); got != "b, a out" || member(t, c, "a") != a || a.Weight() != 7 {
		t.Errorf("%s, weight %d", got, a.Weight())
	}
}

func TestCountersOfThoseWhoWentStayInTheSum(t *testing.T) {
	c := New(Options{Endpoints: Addresses("a", "b")})
	stat := func(name string) uint64 {
		i := slices.IndexFunc(c.Stats(), func(s Stat) bool { return s.Name == name })
		return c.Stats()[i].Value
	}
	a := member(t, c, "a").begin()
	c.Update(Addresses("b"))
	if stat("upstream_rq_total") != 1 || stat("upstream_rq_active") != 1 || stat("membership_total") != 1 {
		t.Errorf("while it is under way: %v", c.Stats())
	}
	a.Report(&Result{Status: 503})
	new(Want).Done(a)
	for range 2 {
		if stat("upstream_rq_5xx") != 1 || stat("upstream_rq_total") != 1 || stat("upstream_rq_active") != 0 || stat("membership_change") != 1 {
			t.Errorf("when it is over: %v", c.Stats())
		}
	}
	if len(c.leaving) != 0 {
		t.Errorf("%d are kept", len(c.leaving))
	}
}

func TestChangesOfMembersAreTold(t *testing.T) {
	var told []event.Notice
	c := New(Options{Name: "shop", Checked: true, Endpoints: Addresses("a"), Tell: func(n *event.Notice) { told = append(told, *n) }})
	if len(told) != 0 {
		t.Errorf("of the configuration: %v", told)
	}
	c.Update(Addresses("a", "b", "c"))
	c.Update(Addresses("a", "b", "c"))
	c.Update([]Endpoint{{Address: "a", Weight: 3}, {Address: "b"}, {Address: "c"}})
	member(t, c, "c").Mark(FailedCheck, true)
	c.Update(nil)
	c.Update(Addresses("a", "b"))
	want := []string{
		`info cluster "shop" has 3 hosts: 2 came, 0 went added=2 added.hosts=b,c removed=0 missed=0 found=0 total=3 missing=0`,
		`warn cluster "shop" has 2 hosts: 0 came, 1 went; discovery tells no more of 2, which are healthy and stay added=0 removed=1 removed.hosts=c missed=2 missed.hosts=a,b found=0 total=2 missing=2`,
		`info cluster "shop" has 2 hosts: 0 came, 0 went; discovery tells of 2 again added=0 removed=0 missed=0 found=2 found.hosts=a,b total=2 missing=0`,
	}
	for i, n := range told {
		got := n.Severity.String() + " " + n.Body
		for _, a := range n.Attributes {
			if key, ok := strings.CutPrefix(a.Key, "pitot.membership."); ok {
				got += " " + key + "=" + a.Value
			}
		}
		if i >= len(want) || got != want[i] {
			t.Errorf("event %d: %s", i, got)
		}
	}
	if len(told) != len(want) {
		t.Errorf("%d events", len(told))
	}
}

// Whatever discovery and checks say at once, whoever is healthy is a member.
func TestUpdatesAndChecksAtOnce(t *testing.T) {
	c := New(Options{Checked: true, Endpoints: Addresses("a", "b", "c")})
	a := member(t, c, "a")
	var all sync.WaitGroup
	all.Go(func() {
		for i := range 500 {
			c.Update(Addresses([]string{"a", "b", "c"}[:i%4]...))
		}
	})
	all.Go(func() {
		for i := range 500 {
			for _, h := range c.Hosts() {
				if h.Address() != "a" {
					h.Mark(FailedCheck, i%2 == 0)
				}
			}
		}
	})
	all.Go(func() {
		for range 500 {
			if h, err := c.Pick(t.Context(), new(Want)); err != nil {
				t.Error(err)
			} else {
				new(Want).Done(h)
			}
			c.Stats()
		}
	})
	all.Wait()
	if member(t, c, "a") != a {
		t.Error("a healthy host was taken away")
	}
}

func TestANewConfigurationKeepsWhatIsKnownOfHosts(t *testing.T) {
	old := New(Options{Checked: true, Endpoints: Addresses("a", "b", "c", "d")})
	member(t, old, "b").Mark(Drained, true)
	member(t, old, "c").Mark(FailedCheck, true)
	member(t, old, "d").Mark(Ejected, true)
	old.Update(Addresses("b", "c", "d"))
	if got := present(old); got != "b out, c out, d out, a absent" {
		t.Fatal(got)
	}
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"the same discovery", Options{Checked: true, Before: old}, "b out, c out, d, a absent"},
		{"without checks", Options{Before: old}, "b out, c, d"},
		{"others", Options{Checked: true, Before: old, Endpoints: Addresses("b", "a", "e")}, "b out, a, e"},
	} {
		if got := present(New(c.o)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	next := New(Options{Checked: true, Before: old})
	next.Update(Addresses("b"))
	if got := present(next); got != "b out, d absent, a absent" {
		t.Errorf("%s", got)
	}
}

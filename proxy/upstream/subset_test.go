package upstream

import (
	"fmt"
	"math"
	"testing"
)

func with(address string, metadata ...string) Endpoint {
	e := Endpoint{Address: address, Metadata: map[string]string{}}
	for i := 0; i < len(metadata); i += 2 {
		e.Metadata[metadata[i]] = metadata[i+1]
	}
	return e
}

var staged = []Endpoint{
	with("a", "stage", "prod", "version", "1"), with("b", "stage", "prod", "version", "2"),
	with("c", "stage", "canary", "version", "2"), with("d"),
}

// picked is who is picked in 200 tries, and why.
func picked(t *testing.T, c *Cluster, w Want) string {
	t.Helper()
	who := map[string]string{}
	for range 200 {
		h, err := c.Pick(t.Context(), &w)
		if err != nil {
			return "nobody"
		}
		new(Want).Done(h)
		who[h.Address()] = w.Why
	}
	return fmt.Sprint(who)
}

func TestSubsets(t *testing.T) {
	two := []Pair{{"stage", "prod"}, {"version", "2"}}
	for _, c := range []struct {
		name   string
		config Subsets
		want   []Pair
		got    string
	}{
		{"one key", Subsets{}, two[:1], "map[a:round_robin, subset b:round_robin, subset]"},
		{"two keys", Subsets{}, two, "map[b:round_robin, subset]"},
		{"a value that nobody has", Subsets{}, []Pair{{"stage", "lab"}}, "nobody"},
		{"keys that no selector has", Subsets{}, []Pair{{"color", "red"}}, "nobody"},
		{"nothing wanted", Subsets{}, nil, "nobody"},
		{"nothing wanted, any", Subsets{Fallback: FallbackAny}, nil, "map[a:round_robin, subset fallback b:round_robin, subset fallback c:round_robin, subset fallback d:round_robin, subset fallback]"},
		{"default", Subsets{Fallback: FallbackDefault, Default: []Pair{{"stage", "canary"}}}, []Pair{{"color", "red"}}, "map[c:round_robin, subset fallback]"},
		{"a selector's own", Subsets{Fallback: FallbackAny, Selectors: []Selector{{Keys: []string{"stage"}, Fallback: FallbackNone}}}, []Pair{{"stage", "lab"}}, "nobody"},
		{"fewer keys", Subsets{Selectors: []Selector{{Keys: []string{"stage"}}, {Keys: []string{"version", "stage"}, Fallback: FallbackKeys, Fewer: []string{"stage"}}}},
			[]Pair{{"stage", "canary"}, {"version", "9"}}, "map[c:round_robin, subset]"},
	} {
		if c.config.Selectors == nil {
			c.config.Selectors = []Selector{{Keys: []string{"stage"}}, {Keys: []string{"version", "stage"}}}
		}
		cluster := New(Options{Balance: Balance{Subsets: &c.config}, Endpoints: staged})
		if got := picked(t, cluster, Want{Subset: c.want}); got != c.got {
			t.Errorf("%s: %s, want %s", c.name, got, c.got)
		}
	}
}

// A subset has priorities, health and panic of its own.
func TestHealthOfASubset(t *testing.T) {
	all := append([]Endpoint(nil), staged...)
	all[1].Priority = 1
	c := New(Options{Balance: Balance{Subsets: &Subsets{Selectors: []Selector{{Keys: []string{"stage"}}}}}, Endpoints: all})
	w := Want{Subset: []Pair{{"stage", "prod"}}}
	if got := picked(t, c, w); got != "map[a:round_robin, subset]" {
		t.Errorf("%s", got)
	}
	member(t, c, "a").Mark(Ejected, true)
	if got := picked(t, c, w); got != "map[b:round_robin, priority 1, subset]" {
		t.Errorf("a is out: %s", got)
	}
	member(t, c, "b").Mark(Ejected, true)
	if got := picked(t, c, w); got != "map[a:round_robin, panic, subset b:round_robin, priority 1, panic, subset]" {
		t.Errorf("both are out: %s", got)
	}
}

func TestOverride(t *testing.T) {
	for _, c := range []struct {
		name string
		want Want
		do   func(*Cluster)
		got  string
	}{
		{"one", Want{Override: "c"}, nil, "map[c:override]"},
		{"the first that there is", Want{Override: "x, d,c"}, nil, "map[d:override]"},
		{"the first that can be picked", Want{Override: "d,c"}, func(c *Cluster) { c.Hosts()[3].Mark(Drained, true) }, "map[c:override]"},
		{"nobody, strictly", Want{Override: "x", Strict: true}, nil, "nobody"},
		{"out, strictly", Want{Override: "c", Strict: true}, func(c *Cluster) { c.Hosts()[2].Mark(FailedCheck, true) }, "nobody"},
		{"nobody", Want{Override: "x"}, func(c *Cluster) { mark(c, Drained, 0, 3) }, "map[d:round_robin]"},
	} {
		cluster := New(Options{Endpoints: staged})
		if c.do != nil {
			c.do(cluster)
		}
		if got := picked(t, cluster, c.want); got != c.got {
			t.Errorf("%s: %s, want %s", c.name, got, c.got)
		}
	}
	cluster := New(Options{Endpoints: staged})
	w := &Want{Override: "b,c"}
	w.Avoid(member(t, cluster, "b"))
	if h, err := cluster.Pick(t.Context(), w); err != nil || h.Address() != "c" {
		t.Errorf("after b was tried: %v, %v", h, err)
	}
}

// A locality's weight counts in a subset as the part of its hosts that are in it,
// where that is wanted: with 5 of 10 hosts at a and 1 of 4 at b, of weights 1 and
// 2, the parts are 1 * 0.5 and 2 * 0.25. Hosts of another priority and those that
// are drained are none of it.
func TestLocalityWeightsOfASubset(t *testing.T) {
	for _, c := range []struct {
		scale bool
		down  int // of the 5 at a
		want  string
	}{
		{false, 0, "map[a:33 b:67]"},
		{true, 0, "map[a:50 b:50]"},
		{true, 3, "map[a:36 b:64]"}, // 0.5 * 0.56 : 0.5
	} {
		all := in("ab", 10, 4)
		for i := range all {
			if i < 5 || i == 10 {
				all[i].Metadata = map[string]string{"stage": "canary"}
			}
		}
		extra := in("b", 7)
		for i := range extra {
			extra[i].Address = fmt.Sprintf("extra%d:80", i)
			extra[i].Priority = i % 2
		}
		cluster := New(Options{Balance: Balance{PanicThreshold: -1,
			Localities: []LocalityWeight{{Locality{Zone: "a"}, 1}, {Locality{Zone: "b"}, 2}},
			Subsets:    &Subsets{Selectors: []Selector{{Keys: []string{"stage"}}}, ScaleLocalities: c.scale},
		}, Endpoints: append(all, extra...)})
		for _, h := range cluster.Hosts() {
			if e := h.Endpoint(); e.Address[0] == 'e' && e.Priority == 0 {
				h.Mark(Drained, true)
			}
		}
		mark(cluster, FailedCheck, 0, c.down)
		n := map[string]int{}
		for range 10_000 {
			h, err := cluster.choose(&Want{Subset: []Pair{{"stage", "canary"}}})
			if err != nil {
				t.Fatal(err)
			}
			n[h.locality().Zone]++
		}
		for zone := range n {
			n[zone] = int(math.Round(float64(n[zone]) / 100))
		}
		if got := fmt.Sprint(n); got != c.want {
			t.Errorf("scaled: %v, %d down: %s, want %s", c.scale, c.down, got, c.want)
		}
	}
}

// Where subsets are to have one host each, the first that is told has the value.
func TestSubsetsOfASingleHost(t *testing.T) {
	c := New(Options{Balance: Balance{Subsets: &Subsets{Selectors: []Selector{{Keys: []string{"version"}, Single: true}}}}, Endpoints: staged})
	for value, want := range map[string]string{"1": "map[a:round_robin, subset]", "2": "map[b:round_robin, subset]", "3": "nobody"} {
		if got := picked(t, c, Want{Subset: []Pair{{"version", value}}}); got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
	if n := stat(t, c, "lb_subsets_single_host_per_subset_duplicate"); n != 1 { // c
		t.Errorf("%d are left out, want 1", n)
	}
	c.Update(staged[2:])
	if got := picked(t, c, Want{Subset: []Pair{{"version", "2"}}}); got != "map[c:round_robin, subset]" {
		t.Errorf("when b has gone: %s", got)
	}
	if n := stat(t, c, "lb_subsets_single_host_per_subset_duplicate"); n != 0 {
		t.Errorf("%d are left out, want none", n)
	}
}

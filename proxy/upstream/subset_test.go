package upstream

import (
	"fmt"
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

package upstream

import (
	"fmt"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

// of100 are levels of 100 hosts each, so many percent of them healthy and
// degraded.
func of100(healthy, degraded []int) []level {
	all := make([]level, len(healthy))
	for i := range all {
		all[i] = level{all: make([]*Host, 100), total: 100, well: float64(healthy[i])}
		if i < len(degraded) {
			all[i].half = float64(degraded[i])
		}
	}
	return all
}

// The table of Envoy's documentation, "Priority levels" and "Degraded endpoints".
func TestLoadsOfPriorities(t *testing.T) {
	for _, c := range []struct {
		healthy, degraded []int
		want, half        []int
	}{
		{healthy: []int{100, 100}, want: []int{100, 0}},
		{healthy: []int{72, 100}, want: []int{100, 0}},
		{healthy: []int{71, 100}, want: []int{99, 1}},
		{healthy: []int{50, 100}, want: []int{70, 30}},
		{healthy: []int{25, 100}, want: []int{35, 65}},
		{healthy: []int{0, 100}, want: []int{0, 100}},
		{healthy: []int{25, 25}, want: []int{50, 50}},
		{healthy: []int{25, 25, 20}, want: []int{36, 36, 28}},
		{healthy: []int{100, 100, 100}, want: []int{100, 0, 0}},
		{healthy: []int{72, 72, 100}, want: []int{100, 0, 0}},
		{healthy: []int{71, 71, 100}, want: []int{99, 1, 0}},
		{healthy: []int{50, 50, 100}, want: []int{70, 30, 0}},
		{healthy: []int{25, 100, 100}, want: []int{35, 65, 0}},
		{healthy: []int{25, 25, 100}, want: []int{35, 35, 30}},
		{healthy: []int{0, 0, 0}, want: []int{0, 0, 0}},
		{healthy: []int{100}, degraded: []int{0}, want: []int{100}},
		{healthy: []int{71}, degraded: []int{29}, want: []int{99}, half: []int{1}},
		{healthy: []int{50}, degraded: []int{50}, want: []int{70}, half: []int{30}},
		{healthy: []int{25, 0}, degraded: []int{75, 0}, want: []int{35, 0}, half: []int{65, 0}},
		{healthy: []int{0, 50}, degraded: []int{100, 0}, want: []int{0, 70}, half: []int{30, 0}},
		{healthy: []int{0, 0}, degraded: []int{72, 100}, want: []int{0, 0}, half: []int{100, 0}},
		{healthy: []int{0}, degraded: []int{10}, want: []int{0}, half: []int{100}},
	} {
		b := Balance{PanicThreshold: -1}.withDefaults()
		got := b.loads(of100(c.healthy, c.degraded))
		if c.half == nil {
			c.half = make([]int, len(c.healthy))
		}
		if fmt.Sprint(got.healthy, got.degraded) != fmt.Sprint(c.want, c.half) {
			t.Errorf("%d %% healthy, %d %% degraded: %v and %v, want %v and %v", c.healthy, c.degraded, got.healthy, got.degraded, c.want, c.half)
		}
	}
}

func TestPanicOfPriorities(t *testing.T) {
	for _, c := range []struct {
		threshold int
		healthy   []int
		panics    string
		want      string
	}{
		{50, []int{72, 0}, "[false false]", "[100 0]"}, // the first carries everything: nobody looks
		{50, []int{20, 60}, "[false false]", "[28 72]"},
		{50, []int{20, 50}, "[true false]", "[29 71]"},
		{50, []int{25, 25}, "[true true]", "[50 50]"}, // all in panic: by the number of hosts
		{50, []int{0, 0}, "[true true]", "[50 50]"},
		{50, []int{25, 25, 20}, "[true true true]", "[34 33 33]"},
		{-1, []int{0, 0}, "[false false]", "[0 0]"},
		{20, []int{25, 25, 20}, "[false false false]", "[36 36 28]"},
	} {
		b := Balance{PanicThreshold: c.threshold}.withDefaults()
		got := b.loads(of100(c.healthy, nil))
		if fmt.Sprint(got.panics) != c.panics || fmt.Sprint(got.healthy) != c.want {
			t.Errorf("threshold %d, %d %% healthy: panic %v, loads %v; want %s, %s", c.threshold, c.healthy, got.panics, got.healthy, c.panics, c.want)
		}
	}
}

// drawn counts, for each reason, how many of 100 draws have it.
func drawn(c *Cluster) map[string]int {
	all := map[string]int{}
	for _, s := range c.now.Load().tree.draws {
		if s == nil {
			all["nobody"]++
		} else {
			all[s.why[plainly]]++
		}
	}
	return all
}

func spread(n int, first int, priority int) (all []Endpoint) {
	for i := range n {
		all = append(all, Endpoint{Address: fmt.Sprintf("10.0.%d.%d:80", first, i), Priority: priority})
	}
	return all
}

func mark(c *Cluster, f Flag, from, to int) {
	for _, h := range c.Hosts()[from:to] {
		h.Mark(f, true)
	}
}

func TestPrioritiesOfACluster(t *testing.T) {
	c := New(Options{Endpoints: append(spread(10, 0, 0), spread(10, 1, 1)...)})
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() {}, "map[round_robin:100]"},
		{func() { mark(c, FailedCheck, 0, 5) }, "map[round_robin:70 round_robin, priority 1:30]"},
		{func() { mark(c, DegradedCheck, 5, 7) }, "map[round_robin:42 round_robin, priority 1:58]"},
		{func() { mark(c, Ejected, 10, 15) }, "map[round_robin:42 round_robin, priority 1:58]"},
		{func() { mark(c, Ejected, 15, 20) }, "map[round_robin:60 round_robin, degraded:40]"},
		{func() { mark(c, FailedDiscovery, 4, 9) }, "map[round_robin, panic:50 round_robin, priority 1, panic:50]"},
		{func() { mark(c, Drained, 0, 10) }, "map[round_robin, priority 1, panic:100]"},
		{func() { mark(c, Drained, 10, 20) }, "map[nobody:100]"},
	} {
		if step.do(); fmt.Sprint(drawn(c)) != step.want {
			t.Errorf("%v, want %s", drawn(c), step.want)
		}
	}
	if _, err := c.Pick(t.Context(), new(Want)); err == nil {
		t.Error("a host was picked that an operator has drained")
	}
}

func TestExcludedHostsDoNotCount(t *testing.T) {
	for _, c := range []struct {
		flag    Flag
		balance Balance
		want    string
	}{
		{FailedCheck, Balance{}, "map[round_robin:70 round_robin, priority 1:30]"},
		{FailedCheck | Unchecked, Balance{}, "map[round_robin:100]"},
		{FailedCheck | ImmediateFail, Balance{}, "map[round_robin:100]"},
		{FailedCheck, Balance{Overprovisioning: 200}, "map[round_robin:100]"},
	} {
		cluster := New(Options{Balance: c.balance, Endpoints: append(spread(10, 0, 0), spread(10, 1, 1)...)})
		mark(cluster, c.flag, 0, 5)
		if got := fmt.Sprint(drawn(cluster)); got != c.want {
			t.Errorf("%v, %+v: %s, want %s", c.flag.Names(), c.balance, got, c.want)
		}
	}
	heavy := append(spread(10, 0, 0), spread(10, 1, 1)...)
	heavy[0].Weight = 91
	c := New(Options{Balance: Balance{WeightedHealth: true}, Endpoints: heavy})
	mark(c, Ejected, 0, 1) // 9 of 100
	if got := fmt.Sprint(drawn(c)); got != "map[round_robin:12 round_robin, priority 1:88]" {
		t.Errorf("by weight: %s", got)
	}
}

func TestPanicIsTold(t *testing.T) {
	var told []string
	c := New(Options{Name: "shop", Endpoints: spread(4, 0, 0), Clock: func() int64 { return 1 }, Tell: func(n *event.Notice) {
		if n.Name == event.EventPanic {
			told = append(told, n.Severity.String()+" "+n.Body)
		}
	}})
	mark(c, FailedCheck, 0, 2)
	if len(told) != 0 {
		t.Errorf("told at half of the hosts: %q", told)
	}
	mark(c, FailedCheck, 2, 4)
	w := new(Want)
	if _, err := c.Pick(t.Context(), w); err != nil || w.Why != "round_robin, panic" {
		t.Errorf("%q, %v", w.Why, err)
	}
	for _, h := range c.Hosts() {
		h.Mark(FailedCheck, false)
	}
	want := []string{
		`error cluster "shop" panics: 1 of 4 hosts are healthy, less than 50 % at priority 0; every host is picked, healthy or not`,
		`info cluster "shop" panics no more: 2 of 4 hosts are healthy`,
	}
	if fmt.Sprintf("%q", told) != fmt.Sprintf("%q", want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if stat(t, c, "lb_healthy_panic") != 1 {
		t.Error("the pick was not counted")
	}
}

// A cluster whose hosts are to be checked first begins in panic. That is told once
// all were asked, and a new configuration neither tells it again nor forgets it.
func TestPanicFromTheStart(t *testing.T) {
	var told []string
	o := Options{Name: "shop", Endpoints: spread(3, 0, 0), Checked: true, Newcomers: FailedCheck, Clock: func() int64 { return 1 }, Tell: func(n *event.Notice) {
		if n.Name == event.EventPanic {
			told = append(told, n.Severity.String()+" "+n.Body)
		}
	}}
	begin := `error cluster "shop" panics: 0 of 3 hosts are healthy, less than 50 % at priority 0; every host is picked, healthy or not`
	want := func(when string, want ...string) {
		t.Helper()
		if fmt.Sprintf("%q", told) != fmt.Sprintf("%q", want) {
			t.Errorf("%s: told %q, want %q", when, told, want)
		}
	}
	c := New(o)
	c.Hosts()[0].Asked()
	c.Hosts()[1].Asked()
	c.Hosts()[1].Asked()
	want("one was not asked yet")
	c.Hosts()[2].Asked()
	want("all were asked", begin)
	o.Before = c
	c = New(o)
	c.Hosts()[0].Asked()
	want("a new configuration", begin)
	for _, h := range c.Hosts() {
		h.Mark(FailedCheck, false)
	}
	want("they are healthy", begin, `info cluster "shop" panics no more: 2 of 3 hosts are healthy`)

	told, o.Before = nil, nil
	c = New(o)
	for _, h := range c.Hosts() { // as a checker does it
		h.Mark(FailedCheck, false)
		h.Asked()
	}
	want("all answer well")
	o.Endpoints = nil
	c = New(o)
	c.Update(spread(3, 0, 0))
	want("nobody was there, and those who come were not asked")
	for _, h := range c.Hosts() {
		h.Asked()
	}
	want("those who came fail", begin)
}

func TestFailInPanic(t *testing.T) {
	c := New(Options{Balance: Balance{FailInPanic: true}, Endpoints: spread(4, 0, 0)})
	mark(c, FailedCheck, 0, 3)
	if h, err := c.Pick(t.Context(), new(Want)); err == nil {
		t.Errorf("%s was picked in panic", h.Address())
	}
}

package upstream

import (
	"fmt"
	"sync"
	"testing"
)

// Priorities that were tried are left out of the loads: the table is what Envoy's
// previous_priorities gives.
func TestLoadsWithoutPriorities(t *testing.T) {
	for _, c := range []struct {
		healthy, degraded []int
		tried             []int
		want              string
	}{
		{healthy: []int{100, 100}, tried: []int{0}, want: "[0 100] [0 0]"},
		{healthy: []int{100, 100}, tried: []int{1}, want: "[100 0] [0 0]"},
		{healthy: []int{100, 100}, tried: []int{0, 1}, want: "[] []"}, // all over again
		{healthy: []int{50, 100}, tried: []int{0}, want: "[0 100] [0 0]"},
		{healthy: []int{50, 100}, tried: []int{1}, want: "[100 0] [0 0]"}, // 70 of 100, and nobody else
		{healthy: []int{100, 50, 100}, tried: []int{0}, want: "[0 70 30] [0 0 0]"},
		{healthy: []int{100, 25, 25}, tried: []int{0}, want: "[0 50 50] [0 0 0]"},
		{healthy: []int{100, 25, 25, 20}, tried: []int{0}, want: "[0 37 35 28] [0 0 0 0]"}, // what rounding leaves is the first one's
		{healthy: []int{100, 25, 25, 20}, tried: []int{0, 1}, want: "[0 0 56 44] [0 0 0 0]"},
		{healthy: []int{100, 0, 100}, tried: []int{0}, want: "[0 0 100] [0 0 0]"},
		{healthy: []int{100, 0}, tried: []int{0}, want: "[] []"}, // the other can carry nothing
		{healthy: []int{0, 0}, tried: []int{0}, want: "[] []"},
		{healthy: []int{100, 0}, degraded: []int{0, 100}, tried: []int{0}, want: "[0 0] [0 100]"},
		{healthy: []int{100, 50, 0}, degraded: []int{0, 25, 100}, tried: []int{0}, want: "[0 70 0] [0 30 0]"},
		{healthy: []int{100, 25, 0}, degraded: []int{0, 25, 20}, tried: []int{0}, want: "[0 37 0] [0 35 28]"},
		{healthy: []int{100}, tried: []int{0}, want: "[] []"},
		{healthy: []int{100, 100}, tried: []int{7}, want: "[100 0] [0 0]"}, // there was one once
	} {
		b := Balance{PanicThreshold: -1}.withDefaults()
		l := b.loads(of100(c.healthy, c.degraded))
		healthy, degraded := l.without(c.tried)
		if got := fmt.Sprint(healthy, degraded); got != c.want {
			t.Errorf("%d %% healthy, %d %% degraded, without %d: %s, want %s", c.healthy, c.degraded, c.tried, got, c.want)
		}
	}
}

// shunned is where 10,000 picks go of exchanges that have tried hosts.
func shunned(t *testing.T, c *Cluster, tried ...int) (by map[int]int, why string) {
	by = map[int]int{}
	for range 10_000 {
		w := new(Want)
		for _, i := range tried {
			w.Shun(c.Hosts()[i])
		}
		h, err := c.choose(w)
		if err != nil {
			t.Fatal(err)
		}
		by[h.priority()]++
		why = w.Why
	}
	return by, why
}

// One priority carries everything, and a retry goes to others nonetheless.
func TestPrioritiesAreShunned(t *testing.T) {
	c := New(Options{Endpoints: append(append(spread(10, 0, 0), spread(10, 1, 1)...), spread(10, 2, 2)...)})
	if by, _ := shunned(t, c); by[0] != 10_000 {
		t.Errorf("nothing was tried: %v", by)
	}
	if by, why := shunned(t, c, 0); by[1] != 10_000 || why != "round_robin, priority 1, priorities tried left out" {
		t.Errorf("priority 0 was tried: %v, %q", by, why)
	}
	if by, _ := shunned(t, c, 0, 10); by[2] != 10_000 {
		t.Errorf("priorities 0 and 1 were tried: %v", by)
	}
	if by, why := shunned(t, c, 0, 10, 20); by[0] != 10_000 || why != "round_robin" {
		t.Errorf("all were tried: %v, %q", by, why)
	}
	mark(c, FailedCheck, 10, 15)
	if by, _ := shunned(t, c, 0); by[1] < 6700 || by[1] > 7300 || by[1]+by[2] != 10_000 {
		t.Errorf("half of priority 1 is out: %v, want 7000 and 3000", by)
	}
	mark(c, FailedCheck, 15, 20)
	if by, _ := shunned(t, c, 0); by[2] != 10_000 {
		t.Errorf("all of priority 1 is out: %v", by)
	}
	w := new(Want)
	w.Shun(c.Hosts()[0])
	w.Shun(c.Hosts()[20])
	if h, err := c.choose(w); err != nil || h.priority() != 0 || w.Shuns() != 0 {
		t.Errorf("no other can carry anything: %v, %v, and %d are shunned still", h, err, w.Shuns())
	}
}

// Panic is as it was: who is left picks among all hosts of a priority, or none.
func TestShunningInPanic(t *testing.T) {
	for _, fail := range []bool{false, true} {
		c := New(Options{Endpoints: append(spread(10, 0, 0), spread(10, 1, 1)...), Balance: Balance{FailInPanic: fail}})
		mark(c, FailedCheck, 0, 6)
		mark(c, FailedCheck, 10, 19)
		w := new(Want)
		w.Shun(c.Hosts()[0])
		h, err := c.choose(w)
		if fail != (err != nil) {
			t.Errorf("fail in panic %t: %v, %v", fail, h, err)
		}
		if want := "round_robin, priority 1, panic, priorities tried left out"; !fail && w.Why != want {
			t.Errorf("picked for %q, want %q", w.Why, want)
		}
	}
}

// The sets of priorities that get nothing otherwise are made once, by whoever
// comes first.
func TestShunningAtOnce(t *testing.T) {
	c := New(Options{Endpoints: append(spread(10, 0, 0), spread(10, 1, 1)...)})
	var all sync.WaitGroup
	counts := make([]map[string]int, 8)
	for i := range counts {
		counts[i] = map[string]int{}
		all.Go(func() {
			for range 500 {
				w := new(Want)
				w.Shun(c.Hosts()[0])
				if h, err := c.choose(w); err == nil {
					counts[i][h.Address()]++
				}
			}
		})
	}
	all.Wait()
	for _, h := range c.Hosts()[10:] {
		n := 0
		for _, by := range counts {
			n += by[h.Address()]
		}
		if n != 400 { // one round robin for all
			t.Errorf("%s was picked %d times, want 400", h.Address(), n)
		}
	}
}

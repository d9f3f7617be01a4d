package upstream

import (
	"fmt"
	"testing"
	"time"
)

const second = int64(time.Second)

// told has hosts tell loads at a time, and returns the weights of all.
func told(c *Cluster, now int64, loads map[string]Load) string {
	c.TakeLoads(time.Unix(0, now), loads)
	var w []uint32
	for _, h := range c.Hosts() {
		w = append(w, h.Weight())
	}
	return fmt.Sprint(w)
}

func TestLoadDecidesWeights(t *testing.T) {
	c := New(Options{Endpoints: []Endpoint{{Address: "a", Weight: 5}, {Address: "b"}, {Address: "c"}}, Steer: &Steering{}})
	loads := map[string]Load{
		"a": {CPU: 0.5, QPS: 100},                    // 200
		"b": {Utilization: 0.8, CPU: 0.1, QPS: 80},   // 100: the application's word counts
		"c": {CPU: 0.15, QPS: 10, EPS: 1, Memory: 1}, // 10 / (0.15 + 0.1) = 40: errors count as if they took time
	}
	now := 1000 * second
	for i, want := range []string{"[5 1 1]", "[5 1 1]", "[2000 1000 400]"} {
		if got := told(c, now, loads); got != want {
			t.Errorf("at step %d: %s, want %s", i, got, want)
		}
		now += 5 * second
	}
	now -= 5 * second
	// Nothing is computed twice in a second.
	loads["a"] = Load{CPU: 0.25, QPS: 100}
	if got := told(c, now+second/2, loads); got != "[2000 1000 400]" {
		t.Errorf("within the period: %s", got)
	}
	if got := told(c, now+second, loads); got != "[4000 1000 400]" {
		t.Errorf("after the period: %s", got)
	}
	// One of which nothing is known gets what is in the middle.
	c.Update(Addresses("a", "b", "c", "d"))
	if got := told(c, now+2*second, loads); got != "[4000 1000 400 1000]" {
		t.Errorf("with a new host: %s", got)
	}
	// A report that is old counts no more, and the next begins anew.
	now += 182 * second
	if got := told(c, now+second, map[string]Load{"b": {CPU: 0.1, QPS: 1}}); got != "[1 1 1 1]" {
		t.Errorf("all have expired: %s", got)
	}
	if got := told(c, now+10*second, map[string]Load{"b": {CPU: 0.1, QPS: 1}}); got != "[1 1 1 1]" {
		t.Errorf("in the blackout: %s", got)
	}
	if got := told(c, now+11*second, map[string]Load{"b": {CPU: 0.1, QPS: 1}}); got != "[1000 1000 1000 1000]" {
		t.Errorf("one that is known: %s", got)
	}
}

func TestExchangesAreCountedWhereHostsDoNotTell(t *testing.T) {
	c := New(Options{Endpoints: Addresses("a", "b"), Steer: &Steering{Penalty: -1, Blackout: time.Nanosecond}})
	loads := map[string]Load{"a": {CPU: 0.9}, "b": {CPU: 0.3, QPS: 1e6}}
	told(c, second, loads)
	for _, h := range c.Hosts() {
		for range 90 {
			h.begin().Report(&Result{Now: second})
			new(Want).Done(h)
		}
	}
	told(c, second, loads)
	if got := told(c, 2*second, loads); got != "[500 1500]" {
		t.Errorf("%s", got)
	}
	// Traffic alone lets reports expire.
	c.Hosts()[0].Report(&Result{Now: 300 * second})
	if w := c.Hosts()[1].Weight(); w != 1 {
		t.Errorf("weight %d", w)
	}
}

func TestWithoutSteeringLoadIsOnlyShown(t *testing.T) {
	c := New(Options{Endpoints: Addresses("a", "b")})
	for i := range int64(20) {
		if got := told(c, i*second, map[string]Load{"a": {CPU: 0.5, QPS: 3}}); got != "[1 1]" {
			t.Fatal(got)
		}
	}
	if l, at := c.Hosts()[0].Load(); l.QPS != 3 || at != 19*second {
		t.Errorf("%+v at %d", l, at)
	}
	if _, at := c.Hosts()[1].Load(); at != 0 {
		t.Error("a load that nobody told")
	}
}

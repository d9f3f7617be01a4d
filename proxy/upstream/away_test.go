package upstream

import (
	"testing"
	"time"
)

func TestBackoffDoubles(t *testing.T) {
	b := Backoff{}.withDefaults()
	for i, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000} {
		want *= time.Millisecond
		if got := b.after(i+1, 0); got != want {
			t.Errorf("after %d failures %v, want %v", i+1, got, want)
		}
		if got := b.after(i+1, 0.999999); got < want/2 || got > want/2+time.Millisecond {
			t.Errorf("after %d failures, by chance short, %v, want half of %v", i+1, got, want)
		}
	}
	if got := b.after(1000, 0); got != b.Max {
		t.Errorf("after 1000 failures %v", got)
	}
}

// Of a host that is away one exchange in each period makes a try, and all others
// go elsewhere at once.
func TestADeadHostCostsOneTryAPeriod(t *testing.T) {
	c := New(Options{Endpoints: Addresses("dead", "b", "c")})
	defer c.Close()
	dead := c.Hosts()[0]
	now := int64(1e18)
	period := []int64{0: 1}
	tries := 0
	pick := func() *Host {
		w := Want{Now: now}
		h, err := c.Pick(t.Context(), &w)
		if err != nil {
			t.Fatal(err)
		}
		w.Done(h)
		if h == dead {
			tries++
			dead.missed(now)
			period = append(period, dead.away.until.Load()-now)
			if tries > 1 && w.Why != whyProbe {
				t.Errorf("the dead host was picked as %q", w.Why)
			}
		} else if tries > 0 && w.Why != "round_robin" && w.Why != whyElsewhere {
			t.Errorf("picked as %q", w.Why)
		}
		return h
	}
	for range 100_000 { // 100 s, 1,000 exchanges a second
		pick()
		now += 1e6
	}
	// 0, then after at least 50, 100, 200 ... 5,000 ms each, at most twice that
	if tries < 15 || tries > 28 {
		t.Errorf("%d tries in 100 s", tries)
	}
	if last := period[len(period)-1]; last < 5e9 || last > 10e9 || dead.Flags() != Away || !dead.Usable() {
		t.Errorf("last period %d ns, flags %v", last, dead.Flags().Names())
	}
	dead.reached()
	now += 1e6
	n := 0
	for range 300 {
		w := Want{Now: now}
		if h, _ := c.Pick(t.Context(), &w); h == dead {
			n++
		}
	}
	if n != 100 || dead.Flags() != 0 {
		t.Errorf("picked %d times of 300 when it is back; flags %v", n, dead.Flags().Names())
	}
}

// Where there is no other, a host that is away is asked all the same.
func TestTheOnlyHostIsNeverPassedOver(t *testing.T) {
	c := New(Options{Endpoints: Addresses("a", "b")})
	defer c.Close()
	c.Hosts()[0].missed(1000)
	c.Hosts()[1].Mark(Drained, true)
	for range 10 {
		w := Want{Now: 1001}
		if h, err := c.Pick(t.Context(), &w); h != c.Hosts()[0] || err != nil || w.Tried() != 0 {
			t.Fatalf("picked %v, %v", h, err)
		}
	}
	if n := statOf(t, c, "upstream_cx_none_healthy"); n != 0 {
		t.Errorf("%d picks are said to have found nobody", n)
	}
}

// Many who fail at once count as one failure.
func TestABurstOfFailuresIsOne(t *testing.T) {
	c := New(Options{Endpoints: Addresses("a")})
	defer c.Close()
	h := c.Hosts()[0]
	for range 50 {
		h.missed(1000)
	}
	if h.away.failures != 1 {
		t.Errorf("%d failures", h.away.failures)
	}
}

package upstream

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// All pairs are drawn equally often, none of one host twice.
func TestTwoAreDrawnEvenly(t *testing.T) {
	hosts := New(Options{Endpoints: Addresses(names(5)...)}).Hosts()
	n := map[[2]*Host]int{}
	const draws = 20_000
	for range draws {
		a, b := two(hosts)
		if a == b {
			t.Fatal("one host twice")
		}
		n[[2]*Host{a, b}]++
	}
	for pair, k := range n {
		if want := float64(draws) / 20; math.Abs(float64(k)-want) > 6*math.Sqrt(want) {
			t.Errorf("%s and %s: %d times, want about %.0f", pair[0].Address(), pair[1].Address(), k, want)
		}
	}
	if len(n) != 20 {
		t.Errorf("%d pairs of 20", len(n))
	}
}

func TestSamplesHaveNoDuplicates(t *testing.T) {
	first := map[uint32]int{}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(3, 100).Draw(t, "n")
		k := rapid.IntRange(2, min(n-1, MaxChoices)).Draw(t, "k")
		seen := map[uint32]bool{}
		for _, i := range sample(make([]uint32, k), n) {
			if seen[i] || int(i) >= n {
				t.Fatalf("%d twice, or none of %d", i, n)
			}
			seen[i] = true
		}
	})
	for range 10_000 {
		first[sample(make([]uint32, 3), 4)[0]]++
	}
	for i, k := range first {
		if math.Abs(float64(k)-2500) > 300 {
			t.Errorf("%d is the first of a sample %d times of 10000, want about 2500", i, k)
		}
	}
}

// Of N drawn the least busy is taken: of all of them, of course.
func TestLeastOfSome(t *testing.T) {
	for _, tuning := range []Tuning{{Choices: 3}, {Choices: 5}, {Choices: 9}, {FullScan: true}} {
		c := New(Options{Endpoints: Addresses(names(6)...), Policy: newLeastRequest(tuning)})
		for i, h := range c.Hosts() {
			for range i {
				h.begin()
			}
		}
		n := map[string]int{}
		for range 300 {
			h := c.now.Load().tree.only.picker.Pick(new(Want))
			n[h.Address()]++
		}
		choices := tuning.Choices
		if tuning.FullScan || choices > 6 {
			choices = 6
		}
		for i, h := range c.Hosts() {
			if i > 6-choices && n[h.Address()] > 0 {
				t.Errorf("%+v: %s was picked though %d of those drawn are less busy", tuning, h.Address(), choices-1)
			}
		}
		if n[c.Hosts()[0].Address()] == 0 {
			t.Errorf("%+v: the least busy one was never picked", tuning)
		}
	}
}

func TestFullScanIsFairToThoseWhoAreLevel(t *testing.T) {
	c := New(Options{Endpoints: Addresses(names(4)...), Policy: newLeastRequest(Tuning{FullScan: true})})
	n := map[string]int{}
	for range 8000 {
		h, _ := c.Pick(t.Context(), new(Want))
		n[h.Address()]++
		new(Want).Done(h)
	}
	for a, k := range n {
		if math.Abs(float64(k)-2000) > 250 {
			t.Errorf("%s: %d of 8000, want about 2000", a, k)
		}
	}
}

func TestRandomByWeight(t *testing.T) {
	c := New(Options{Endpoints: weighted(1, 2, 7), Policy: random{}})
	n := map[string]int{}
	for range 10_000 {
		h, _ := c.choose(new(Want))
		n[h.Address()]++
	}
	for a, want := range map[string]float64{"a": 1000, "b": 2000, "c": 7000} {
		if math.Abs(float64(n[a])-want) > 6*math.Sqrt(want) {
			t.Errorf("%s: %d, want about %.0f", a, n[a], want)
		}
	}
}

const start = int64(1_700_000_000) * int64(time.Second)

// near allows for what a float32 and whole ms lose.
func near(got, want float64) bool { return math.Abs(got-want) <= want*1e-3+1 }

func TestPeakEWMA(t *testing.T) {
	now := start
	p := newPeakEWMA(Tuning{}).(*peakEWMA)
	c := New(Options{Policy: p, Endpoints: Addresses("a"), Clock: func() int64 { return now }})
	h := c.Hosts()[0]
	want := float64(30 * time.Millisecond)
	at := func(what string) {
		t.Helper()
		if got := h.ewma.at(p, now); !near(got, want) {
			t.Errorf("%s: %v, want %v", what, time.Duration(got), time.Duration(want))
		}
	}
	at("nothing known")
	now += int64(10 * time.Second)
	want /= math.E
	at("nothing known for 10 s")
	report := func(r Result) { r.Now = now; h.Report(&r) }
	report(Result{Status: 200, First: 100 * time.Millisecond, Took: time.Second})
	want = float64(100 * time.Millisecond)
	at("a peak counts at once, by the first byte")
	now += int64(5 * time.Second)
	report(Result{Status: 200, Took: 10 * time.Millisecond})
	w := math.Exp(-0.5)
	want = want*w + float64(10*time.Millisecond)*(1-w)
	at("what is faster counts by the time that has passed")
	report(Result{Status: 200, Took: time.Millisecond})
	at("and not within the same moment")
	report(Result{Failure: Cancelled, Took: time.Millisecond})
	at("a client that left soon says nothing")
	report(Result{Failure: Cancelled, Took: 200 * time.Millisecond})
	want = float64(200 * time.Millisecond)
	at("but that it took at least so long")
	report(Result{Failure: RxReset, Took: time.Millisecond})
	want = float64(time.Second)
	at("a failure is slow")
	now += int64(10 * time.Second)
	want /= math.E
	at("time heals")
	report(Result{Status: 503, Took: time.Millisecond})
	want = float64(time.Second)
	at("so is a 503")
	now -= int64(time.Second)
	report(Result{Status: 200, Took: 2 * time.Second})
	want = float64(2 * time.Second)
	now += int64(time.Second)
	at("reports may come late")
}

func TestPeakEWMAPicksTheFaster(t *testing.T) {
	now := start
	c := New(Options{Policy: newPeakEWMA(Tuning{}), Endpoints: Addresses("a", "b"), Clock: func() int64 { return now }})
	a, b := c.Hosts()[0], c.Hosts()[1]
	a.Report(&Result{Now: now, Status: 200, Took: 100 * time.Millisecond})
	b.Report(&Result{Now: now, Status: 200, Took: 40 * time.Millisecond})
	for i, want := range []*Host{b, b, a, b} { // 40 < 100, 80 < 100, 120 > 100, 120 < 200
		if h, err := c.Pick(t.Context(), &Want{Now: now}); err != nil || h != want {
			t.Errorf("pick %d: %s, want %s", i, h.Address(), want.Address())
		}
	}
}

// What is found while picks go on, and what an operator does, is seen at once by
// those who come after; what comes back is, too.
func TestPicksGoOnWhileMembersChange(t *testing.T) {
	for _, p := range Policies() {
		t.Run(p.Name, func(t *testing.T) {
			c := New(Options{
				Policy: p.New(Tuning{Balance: 150, TableSize: 1009, RingMin: 128, SlowStart: SlowStart{Window: time.Hour}}), Endpoints: many(20, 3),
				Balance: Balance{Localities: []LocalityWeight{{Locality{}, 1}}, Subsets: &Subsets{Selectors: []Selector{{Keys: []string{"k"}}}, Fallback: FallbackAny}},
			})
			var all sync.WaitGroup
			stop := make(chan struct{})
			for i := range 4 {
				all.Go(func() {
					w := new(Want)
					for n := uint64(0); ; n++ {
						select {
						case <-stop:
							return
						default:
						}
						w.Reset()
						w.Hash, w.Hashed, w.Now, w.Override = n*0x9e3779b97f4a7c15, i%2 == 0, time.Now().UnixNano(), "10.0.0.1:80"
						h, err := c.Pick(t.Context(), w)
						if err != nil {
							t.Error(err)
							return
						}
						w.Avoid(h)
						w.Override = ""
						h.Report(&Result{Now: w.Now, Status: 200, Took: time.Millisecond})
						new(Want).Done(h)
						if h, err = c.Pick(t.Context(), w); err == nil {
							new(Want).Done(h)
						}
					}
				})
			}
			r := rand.New(rand.NewPCG(1, 2))
			for range 40 {
				switch hosts := c.Hosts(); r.IntN(4) {
				case 0:
					c.Update(many(2+r.IntN(20), 3))
				case 1:
					hosts[r.IntN(len(hosts))].Mark(FailedCheck, r.IntN(2) == 0)
				case 2:
					hosts[r.IntN(len(hosts))].SetWeight(1 + r.Uint32N(5))
				case 3:
					hosts[r.IntN(len(hosts))].Mark(DegradedCheck, r.IntN(2) == 0)
				}
			}
			close(stop)
			all.Wait()
			for _, h := range c.Hosts() {
				if h.Active() != 0 {
					t.Errorf("%s has %d exchanges though all are over", h.Address(), h.Active())
				}
			}
		})
	}
}

// Where taking in a change is costly, those that follow within 100 ms are taken
// in together, and nobody is picked meanwhile who is known to be out.
func TestManyChangesAreTakenInTogether(t *testing.T) {
	now := start
	p, _ := NewPolicy("maglev", Tuning{})
	c := New(Options{Policy: p, Endpoints: many(10, 1), Clock: func() int64 { return now }})
	tree := func() *tree { return c.now.Load().tree }
	now += int64(mergeWindow)
	first := tree()
	mark(c, Ejected, 0, 1)
	second := tree()
	if first == second {
		t.Error("the first change is taken in later")
	}
	mark(c, Ejected, 1, 3)
	c.Hosts()[0].Mark(Ejected, false)
	if tree() != second {
		t.Error("those that follow are taken in at once")
	}
	pick := func() map[string]int {
		n := map[string]int{}
		for k := range uint64(2000) {
			h, err := c.Pick(t.Context(), &Want{Hash: k, Hashed: true, Now: now})
			if err != nil {
				t.Fatal(err)
			}
			new(Want).Done(h)
			n[h.Address()]++
		}
		return n
	}
	hosts := c.Hosts()
	if n := pick(); n[hosts[1].Address()]+n[hosts[2].Address()] != 0 || n[hosts[0].Address()] != 0 {
		t.Errorf("before it is taken in: %v", n)
	}
	now += int64(mergeWindow)
	if n := pick(); n[hosts[1].Address()]+n[hosts[2].Address()] != 0 || n[hosts[0].Address()] == 0 {
		t.Errorf("after it is taken in: %v", n)
	}
	if tree() == second {
		t.Error("it was never taken in")
	}
	small := New(Options{Endpoints: many(10, 1), Clock: func() int64 { return now }})
	before := small.now.Load().tree
	mark(small, Ejected, 0, 1)
	if small.now.Load().tree == before {
		t.Error("a small cluster waits")
	}
}

func TestWhyAnotherHostIsPicked(t *testing.T) {
	for _, p := range Policies() {
		c := New(Options{Policy: p.New(Tuning{}), Endpoints: Addresses(names(2)...)})
		w := &Want{Hashed: true}
		first, _ := c.Pick(t.Context(), w)
		why := w.Why
		w.Avoid(first)
		second, err := c.Pick(t.Context(), w)
		if err != nil || second == first || why != p.Name || w.Why != p.Name && w.Why != p.Name+", another" {
			t.Errorf("%s: %q, then %q, %v", p.Name, why, w.Why, err)
		}
		w.Avoid(second)
		if h, err := c.Pick(t.Context(), w); err == nil {
			t.Errorf("%s: %s though both were tried", p.Name, h.Address())
		}
	}
}

func ExamplePolicies() {
	fmt.Println(PolicyNames())
	// Output: [round_robin least_request peak_ewma random ring_hash maglev]
}

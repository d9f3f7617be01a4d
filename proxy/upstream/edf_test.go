package upstream

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func weighted(weights ...uint32) (all []Endpoint) {
	for i, w := range weights {
		all = append(all, Endpoint{Address: string(rune('a' + i)), Weight: w})
	}
	return all
}

func picks(p Picker, n int, now int64) string {
	var b strings.Builder
	for range n {
		b.WriteString(p.Pick(&Want{Now: now}).Address())
	}
	return b.String()
}

// What EDF gives by hand: each host at the multiples of 1/weight.
func TestOrderOfEDF(t *testing.T) {
	for _, c := range []struct {
		weights []uint32
		want    string
	}{
		{[]uint32{1, 1, 1}, "abc"},
		{[]uint32{2, 1}, "aba"},
		{[]uint32{3, 1}, "aaba"},
		{[]uint32{3, 2}, "ababa"},
		{[]uint32{5, 1, 1}, "aaaabca"},
		{[]uint32{20, 10}, "aba"},
		{[]uint32{1, 2, 4}, "cbccabc"},
	} {
		hosts := New(Options{Endpoints: weighted(c.weights...)}).Hosts()
		var b strings.Builder
		for _, i := range sequence(c.weights, 100) {
			b.WriteString(hosts[i].Address())
		}
		n := len(c.want)
		if got := b.String(); got != c.want {
			t.Errorf("%d: a round is %s, want %s", c.weights, got, c.want)
		}
		e := newSchedule(&Set{Hosts: hosts}, 0, plainWeight)
		if got := picks(e, 2*n, 0); got != c.want+c.want {
			t.Errorf("%d: two rounds of the schedule are %s, want %s twice", c.weights, got, c.want)
		}
	}
}

// A round is what EDF with exact deadlines picks, whatever the weights.
func TestARoundIsWhatEDFPicks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Uint32Range(1, 40), 1, 12).Draw(t, "weights")
		round := sequence(weights, math.MaxInt32)
		type entry struct {
			deadline *big.Rat
			order    int
		}
		heap := make([]entry, len(weights))
		for i, w := range weights {
			heap[i] = entry{big.NewRat(1, int64(w)), i}
		}
		for n, got := range round {
			best := 0
			for i := range heap {
				if c := heap[i].deadline.Cmp(heap[best].deadline); c < 0 || c == 0 && heap[i].order < heap[best].order {
					best = i
				}
			}
			if int(got) != best {
				t.Fatalf("pick %d of %v is %d, want %d", n, weights, got, best)
			}
			heap[best] = entry{new(big.Rat).Add(heap[best].deadline, big.NewRat(1, int64(weights[best]))), len(weights) + n}
		}
	})
}

// Wherever a schedule begins, each host gets its share from there on.
func TestAScheduleBeginsAnywhere(t *testing.T) {
	hosts := New(Options{Endpoints: weighted(7, 2, 1)}).Hosts()
	for _, moment := range []float64{0, 0.2, 0.5, 0.99} {
		got := picks(newSchedule(&Set{Hosts: hosts}, moment, plainWeight), 100, 0)
		for i, want := range []int{70, 20, 10} {
			if n := strings.Count(got, hosts[i].Address()); n < want-1 || n > want+1 {
				t.Errorf("from %v on: %s came %d times of 100, want %d", moment, hosts[i].Address(), n, want)
			}
		}
	}
}

func TestWeightsOfRoundRobin(t *testing.T) {
	for _, endpoints := range [][]Endpoint{
		weighted(3, 2, 1),
		weighted(300_001, 200_001, 100_000), // too long a round for a list
	} {
		c := New(Options{Endpoints: endpoints})
		count := map[string]int{}
		for range 600 {
			h, _ := c.Pick(t.Context(), new(Want))
			count[h.Address()]++
		}
		for a, want := range map[string]int{"a": 300, "b": 200, "c": 100} {
			if n := count[a]; n < want-2 || n > want+2 {
				t.Errorf("%v: %s came %d times of 600, want %d", endpoints, a, n, want)
			}
		}
	}
}

func TestLeastRequestByWeight(t *testing.T) {
	half := 0.5
	for _, c := range []struct {
		bias *float64
		want float64 // of weight 2, with three exchanges under way
	}{{nil, 2.0 / 4}, {&half, 2.0 / 2}, {new(float64), 2}} {
		p := newLeastRequest(Tuning{Bias: c.bias}).(*leastRequest)
		h := New(Options{Endpoints: weighted(2)}).Hosts()[0]
		h.begin().begin().begin()
		if got := p.weigh(h, 0); got != c.want {
			t.Errorf("weight %v, want %v", got, c.want)
		}
	}
}

// w' = w * max(min, (t/window)^(1/aggression))
func TestFormulaOfSlowStart(t *testing.T) {
	for _, c := range []struct {
		slow SlowStart
		t    time.Duration
		want float64
	}{
		{SlowStart{}, 0, 0.1},
		{SlowStart{}, 5 * time.Second, 0.1},
		{SlowStart{}, 15 * time.Second, 0.25},
		{SlowStart{}, 30 * time.Second, 0.5},
		{SlowStart{}, 60 * time.Second, 1},
		{SlowStart{}, 600 * time.Second, 1},
		{SlowStart{Aggression: 2}, 15 * time.Second, 0.5},
		{SlowStart{Aggression: 0.5}, 30 * time.Second, 0.25},
		{SlowStart{MinPercent: 30}, 15 * time.Second, 0.3},
		{SlowStart{MinPercent: -1}, 0, leastFactor},
	} {
		s := c.slow
		s.Window = time.Minute
		s = s.withDefaults()
		if got := s.factor(c.t); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%+v after %s: %v, want %v", c.slow, c.t, got, c.want)
		}
	}
}

// A host that comes later gets its share little by little, and after the window
// turns are taken without a schedule again.
func TestSlowStartOfANewHost(t *testing.T) {
	now := int64(time.Hour)
	for _, name := range []string{"round_robin", "least_request"} {
		p, err := NewPolicy(name, Tuning{SlowStart: SlowStart{Window: time.Minute}})
		if err != nil {
			t.Fatal(err)
		}
		c := New(Options{Policy: p, Clock: func() int64 { return now }, Endpoints: weighted(1, 1)})
		c.Update(weighted(1, 1, 1))
		for _, step := range []struct {
			after     time.Duration
			low, high int // of 1000
		}{{0, 40, 60}, {30 * time.Second, 190, 210}, {30 * time.Second, 280, 380}} {
			now += int64(step.after)
			n := 0
			for range 1000 {
				h, err := c.Pick(t.Context(), &Want{Now: now})
				if err != nil {
					t.Fatal(err)
				}
				new(Want).Done(h)
				if h.Address() == "c" {
					n++
				}
			}
			if n < step.low || n > step.high {
				t.Errorf("%s, %s later: %d of 1000, want %d to %d", name, step.after, n, step.low, step.high)
			}
		}
		if _, still := c.now.Load().tree.only.picker.(*schedule); still {
			t.Errorf("%s: still a schedule though everybody is warm", name)
		}
	}
}

// With checks a host is new when it passes its first one, and when it passes
// again.
func TestSlowStartFollowsChecks(t *testing.T) {
	now := int64(1)
	c := New(Options{Checked: true, Clock: func() int64 { return now }, Endpoints: weighted(1)})
	h := c.Hosts()[0]
	h.Mark(Unchecked, true)
	for _, at := range []int64{5, 9} {
		now = at
		h.Mark(Unchecked, false)
		if h.since.Load() != at {
			t.Errorf("warm since %d, want %d", h.since.Load(), at)
		}
		h.Mark(Unchecked, true)
	}
	now = 10
	h.Mark(Ejected, true)
	h.Mark(Ejected, false)
	if h.since.Load() != 9 {
		t.Error("an ejection made it new")
	}
}

func TestRounds(t *testing.T) {
	if r := sequence([]uint32{1000, 999}, 1000); r != nil {
		t.Errorf("a round of %d, longer than is wanted", len(r))
	}
	if r := sequence([]uint32{4_000_000_000, 4_000_000_000}, 10); fmt.Sprint(r) != "[0 1]" {
		t.Errorf("%v", r)
	}
}

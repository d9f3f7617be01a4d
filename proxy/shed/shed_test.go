package shed

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var standard = AdmissionOptions{Window: 30 * time.Second, Threshold: 0.95, Aggression: 1, Most: 0.8}

func TestProbabilityOfAdmission(t *testing.T) {
	for _, c := range []struct {
		o       AdmissionOptions
		n, good float64
		want    float64
	}{
		{standard, 0, 0, 0},
		{standard, 100, 100, 0},
		{standard, 100, 95, 0},                     // just enough
		{standard, 100, 90, (100 - 90/0.95) / 101}, // 0.052
		{standard, 100, 50, (100 - 50/0.95) / 101}, // 0.469
		{standard, 1000, 100, 0.8},                 // 0.894, but for the most
		{standard, 1000, 0, 0.8},
		{AdmissionOptions{Threshold: 0.95, Aggression: 2, Most: 1}, 100, 50, math.Sqrt((100 - 50/0.95) / 101)},
		{AdmissionOptions{Threshold: 0.5, Aggression: 1, Most: 1}, 100, 50, 0},
		{AdmissionOptions{Threshold: 1, Aggression: 1, Most: 1}, 99, 0, 0.99},
	} {
		if got := c.o.probability(c.n, c.good); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%+v, %v of %v: %v, want %v", c.o, c.good, c.n, got, c.want)
		}
	}
}

// What is older than the window counts no more, whether or not anything came.
func TestAdmissionForgets(t *testing.T) {
	a := NewAdmission(standard)
	now := int64(1.7e18)
	second := int64(time.Second)
	for s := range int64(60) { // the first 30 s all bad, then all good
		for i := range int64(10) {
			a.Record(now+s*second+i, s >= 30)
		}
		bad := float64(10 * min(s+1, 30, 59-s))
		n := float64(10 * min(s+1, 30))
		if want := standard.probability(n, n-bad); math.Abs(a.Probability(now+s*second+20)-want) > 1e-9 {
			t.Fatalf("after %d s %v, want %v", s+1, a.Probability(now+s*second+20), want)
		}
	}
	a.Record(now+61*second, false)
	if p := a.Probability(now + 1000*second); p != 0 || a.sum != (bucket{}) {
		t.Errorf("after a long silence %v", p)
	}
	a.Record(now, false) // a clock that goes back does no harm
	quiet := NewAdmission(AdmissionOptions{Window: 10 * time.Second, Threshold: 1, Aggression: 1, Most: 1, RPS: 5})
	for range 49 {
		quiet.Record(now, false)
	}
	if p := quiet.Probability(now); p != 0 {
		t.Errorf("below rps_threshold %v", p)
	}
	if quiet.Record(now, false); quiet.Probability(now) == 0 {
		t.Error("at rps_threshold nothing is turned away")
	}
}

// An upstream that fails what it cannot do gets about as much as it can do, and
// answers nearly all of that.
func TestAdmissionProtects(t *testing.T) {
	a := NewAdmission(standard)
	r := rand.New(rand.NewPCG(1, 2))
	now := int64(1.7e18)
	const offered, capacity = 1000, 500 // a second
	var sent int
	for s := range 300 {
		room := capacity
		for i := range offered {
			at := now + int64(s)*1e9 + int64(i)*1e6
			if r.Float64() < a.Probability(at) {
				continue
			}
			ok := r.IntN(offered) < room // what is too much, is too much for all alike
			if a.Record(at, ok); s >= 100 {
				sent++
			}
		}
	}
	if share := float64(sent) / (200 * offered); share > 0.75 {
		t.Errorf("%.2f of all were let through to an upstream that can do %.2f", share, float64(capacity)/offered)
	}
}

func TestBucketsHoldTheirMiddle(t *testing.T) {
	for us := int64(0); us < 1e9; us += 1 + us/7 {
		d := time.Duration(us) * time.Microsecond
		m := middle(bucketOf(d))
		if off := math.Abs(float64(m - d)); off > float64(d)/perDoubling {
			t.Fatalf("%v stands in the bucket of %v", d, m)
		}
	}
	if i := bucketOf(math.MaxInt64); middle(i) < time.Hour {
		t.Errorf("the last bucket is of %v", middle(i))
	}
}

var quick = GradientOptions{
	Percentile: 50, Interval: 100 * time.Millisecond, Least: 3, Most: 1000,
	MeasureEvery: 60 * time.Second, Requests: 50, Jitter: 0.15, Buffer: 0.25, Random: func() float64 { return 0.5 },
}

// The limit follows the formula, step by step.
func TestGradientSteps(t *testing.T) {
	g := NewGradient(quick)
	now, ms := int64(1e18), int64(time.Millisecond)
	one := func(took time.Duration) {
		began := now
		if !g.Begin(began) {
			t.Fatal("turned away")
		}
		now += ms / 10
		g.End(began, now, took)
	}
	if !g.Measuring() || g.Limit() != 3 {
		t.Fatal("it does not begin by measuring")
	}
	for range 50 {
		one(10 * time.Millisecond)
	}
	if g.Measuring() || g.Minimum() < 9*time.Millisecond || g.Minimum() > 11*time.Millisecond {
		t.Fatalf("measured %v", g.Minimum())
	}
	minimum, limit := float64(g.Minimum()), 3.0
	for _, took := range []time.Duration{10, 10, 10, 20, 5, 100, 12} {
		took *= time.Millisecond
		one(took)
		now += 100 * ms
		gradient := min(max(minimum*1.25/float64(middle(bucketOf(took))), 0.5), 2)
		limit = gradient * limit
		limit = math.Floor(min(max(limit+math.Sqrt(limit), 3), 1000))
		g.decide(now)
		if g.Limit() != int64(limit) {
			t.Fatalf("after %v the limit is %d, want %v", took, g.Limit(), limit)
		}
	}
	now += 65 * int64(time.Second) // past 60 s and 7.5 % of it
	before := g.Limit()
	if g.decide(now); !g.Measuring() || g.Limit() != 3 {
		t.Fatal("it does not measure again")
	}
	for range 50 {
		one(10 * time.Millisecond)
	}
	if g.Limit() != before {
		t.Errorf("the limit is %d after measuring, and was %d", g.Limit(), before)
	}
}

// Five intervals at the least limit have the minimum measured anew.
func TestGradientDoubtsItsMinimum(t *testing.T) {
	g := NewGradient(quick)
	now := int64(1e18)
	for i := 0; i < 200 && !(g.Measuring() && i > 60); i++ {
		took := 10 * time.Millisecond
		if !g.Measuring() {
			took = 10 * time.Second
			now += int64(100 * time.Millisecond)
		}
		if g.Begin(now) {
			g.End(now, now, took)
		}
	}
	if !g.Measuring() {
		t.Errorf("limit %d, minimum %v", g.Limit(), g.Minimum())
	}
}

// finish is the end of a request in the simulation.
type finish struct{ at, began int64 }
type finishes []finish

func (f finishes) Len() int           { return len(f) }
func (f finishes) Less(i, j int) bool { return f[i].at < f[j].at }
func (f finishes) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *finishes) Push(x any)        { *f = append(*f, x.(finish)) }
func (f *finishes) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}

// simulate offers requests to a server of so many workers, who take 10 ms each,
// and gives the worst latency and the rate of answers in the second half.
func simulate(g *Gradient, workers int, rate float64, length time.Duration) (worst time.Duration, answered float64) {
	const service = int64(10 * time.Millisecond)
	r := rand.New(rand.NewPCG(3, 4))
	free := make([]int64, workers) // when each is
	var ends finishes
	start := int64(1e18)
	n := 0
	done := func(until int64) {
		for len(ends) > 0 && ends[0].at <= until {
			e := heap.Pop(&ends).(finish)
			if g != nil {
				g.End(e.began, e.at, time.Duration(e.at-e.began))
			}
			if e.at > start+int64(length)/2 {
				n++
				worst = max(worst, time.Duration(e.at-e.began))
			}
		}
	}
	for now := start; now < start+int64(length); now += int64(r.ExpFloat64() / rate * 1e9) {
		done(now)
		if g != nil && !g.Begin(now) {
			continue
		}
		first := 0
		for i := range free {
			if free[i] < free[first] {
				first = i
			}
		}
		free[first] = max(now, free[first]) + service*int64(800+r.IntN(400))/1000
		heap.Push(&ends, finish{free[first], now})
	}
	return worst, float64(n) / (length / 2).Seconds()
}

// Offered twice what it can do, a server drowns without the limit; with it, it
// does about all that it can, at latencies near its best.
func TestGradientProtects(t *testing.T) {
	const workers, capacity = 20, 2000.0
	drowned, _ := simulate(nil, workers, 2*capacity, 20*time.Second)
	g := NewGradient(quick)
	worst, answered := simulate(g, workers, 2*capacity, 20*time.Second)
	t.Logf("without: %v; with: %v at %.0f a second, limit %d", drowned, worst, answered, g.Limit())
	if drowned < 5*time.Second || worst > 60*time.Millisecond || answered < 0.85*capacity {
		t.Error("it does not protect")
	}
	if g.Limit() < workers || g.Limit() > 3*workers {
		t.Errorf("the limit is %d for %d workers", g.Limit(), workers)
	}
	idle := NewGradient(quick)
	if _, answered := simulate(idle, workers, 0.5*capacity, 20*time.Second); answered < 0.48*capacity {
		t.Errorf("%.0f a second are answered of half of what it can do", answered)
	}
}

func TestGradientAllocatesNothing(t *testing.T) {
	g, now := NewGradient(quick), int64(1e18)
	if n := testing.AllocsPerRun(1000, func() {
		now += int64(time.Millisecond)
		if g.Begin(now) {
			g.End(now, now, time.Millisecond)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

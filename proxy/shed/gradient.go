package shed

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Gradient is adaptive concurrency of one route: it lets in as many requests at
// once as are answered about as fast as when there were few. Every now and then
// it lets in only few for a moment, to see how fast that is (the minimum round
// trip); in between, each interval's latencies move the limit.
type Gradient struct {
	o GradientOptions

	active, limit atomic.Int64
	next          atomic.Int64 // when there is something to decide, ns since the Unix epoch
	since         atomic.Int64 // requests that began before say nothing of this interval
	samples       samples

	mu        sync.Mutex // guards what follows
	measuring bool       // the minimum round trip
	measureAt int64      // when that begins anew
	before    int64      // the limit until then
	atLeast   int        // intervals in a row with the least limit
	minimum   atomic.Int64
	sampled   atomic.Int64
	gradient  atomic.Int64 // in thousandths
}

// GradientOptions make a Gradient.
type GradientOptions struct {
	Percentile float64       // of latencies that counts, in (0, 100]
	Interval   time.Duration // between two changes of the limit
	Least      int64         // requests at once, and while the minimum is measured
	Most       int64         // requests at once

	MeasureEvery time.Duration // how often the minimum is measured
	Requests     int64         // that are measured for it
	Jitter       float64       // up to this share is added to MeasureEvery, by chance
	Buffer       float64       // share of the minimum by which latencies may vary
	Minimum      time.Duration // what it is, if it is known: nothing is measured then

	Random func() float64 // in [0, 1)
}

// Bounds of what one interval changes, and after how many intervals at the least
// limit the minimum is measured anew: the old one may have been too good.
const (
	leastGradient = 0.5
	mostGradient  = 2
	patienceAt    = 5
)

// NewGradient makes one. It begins by measuring.
func NewGradient(o GradientOptions) *Gradient {
	g := &Gradient{o: o, before: o.Least}
	g.limit.Store(o.Least)
	g.minimum.Store(int64(o.Minimum))
	g.measuring = o.Minimum == 0
	return g
}

// Begin counts a request that begins at now, unless as many are under way as
// may be.
func (g *Gradient) Begin(now int64) bool {
	g.decide(now)
	if g.active.Add(1) <= g.limit.Load() {
		return true
	}
	g.active.Add(-1)
	return false
}

// End ends a request that began at began; took is how long its answer took, less
// than 0 where that says nothing.
func (g *Gradient) End(began, now int64, took time.Duration) {
	g.active.Add(-1)
	if took >= 0 && began >= g.since.Load() {
		g.samples.add(took)
	}
	g.decide(now)
}

// Limit is how many requests may be under way; Active how many are. Minimum and
// Sampled are the latencies that the limit follows from, Gradient what they make
// of it.
func (g *Gradient) Limit() int64           { return g.limit.Load() }
func (g *Gradient) Active() int64          { return g.active.Load() }
func (g *Gradient) Minimum() time.Duration { return time.Duration(g.minimum.Load()) }
func (g *Gradient) Sampled() time.Duration { return time.Duration(g.sampled.Load()) }
func (g *Gradient) Gradient() float64      { return float64(g.gradient.Load()) / 1000 }

// Measuring reports whether the minimum is being measured.
func (g *Gradient) Measuring() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.measuring
}

// decide looks whether it is time to change something. One of those who come
// does, and the others go on.
func (g *Gradient) decide(now int64) {
	if now < g.next.Load() || !g.mu.TryLock() {
		return
	}
	defer g.mu.Unlock()
	switch {
	case g.measuring && g.samples.n.Load() >= g.o.Requests:
		g.measured(now)
	case g.measuring: // at every request, until there are enough
	case g.o.Minimum == 0 && now >= g.measureAt, g.atLeast >= patienceAt && g.o.Minimum == 0:
		g.measure(now)
	case now >= g.next.Load():
		g.adapt(now)
	}
}

// measure begins to measure the minimum.
func (g *Gradient) measure(now int64) {
	g.measuring, g.before, g.atLeast = true, g.limit.Load(), 0
	g.limit.Store(g.o.Least)
	g.samples.take(g.o.Percentile)
	g.since.Store(now)
	g.next.Store(0)
}

// measured ends that.
func (g *Gradient) measured(now int64) {
	g.minimum.Store(int64(g.samples.take(g.o.Percentile)))
	g.measuring = false
	g.limit.Store(g.before)
	g.measureAt = now + int64(float64(g.o.MeasureEvery)*(1+g.o.Jitter*g.o.Random()))
	g.since.Store(now)
	g.next.Store(now + int64(g.o.Interval))
}

// adapt moves the limit by what the interval's latencies say. The square root
// lets it grow where there is no sign of a queue.
func (g *Gradient) adapt(now int64) {
	g.next.Store(now + int64(g.o.Interval))
	g.since.Store(now)
	if g.samples.n.Load() == 0 {
		return
	}
	took := g.samples.take(g.o.Percentile)
	g.sampled.Store(int64(took))
	gradient := float64(g.minimum.Load()) * (1 + g.o.Buffer) / float64(max(1, took))
	gradient = min(max(gradient, leastGradient), mostGradient)
	limit := gradient * float64(g.limit.Load())
	next := min(max(int64(limit+math.Sqrt(limit)), g.o.Least), g.o.Most)
	if g.limit.Store(next); next == g.o.Least {
		g.atLeast++
	} else {
		g.atLeast = 0
	}
	g.gradient.Store(int64(gradient * 1000))
}

// samples are latencies in buckets, eight to a doubling from 1 µs on.
type samples struct {
	n       atomic.Int64
	buckets [perDoubling * 40]atomic.Uint32
}

const perDoubling = 8

func (s *samples) add(d time.Duration) {
	s.buckets[bucketOf(d)].Add(1)
	s.n.Add(1)
}

func bucketOf(d time.Duration) int {
	us := uint64(max(0, d) / time.Microsecond)
	if us < perDoubling {
		return int(us)
	}
	shift := bits.Len64(us) - 4 // leaves four bits, the first of them set
	return min(perDoubling*(shift+1)+int(us>>shift)-perDoubling, perDoubling*40-1)
}

// middle is the latency that a bucket stands for.
func middle(i int) time.Duration {
	if i < perDoubling {
		return time.Duration(i) * time.Microsecond
	}
	shift := i/perDoubling - 1
	low := uint64(perDoubling+i%perDoubling) << shift
	return time.Duration(low+1<<shift/2) * time.Microsecond
}

// take gives a percentile, and forgets all samples.
func (s *samples) take(percentile float64) time.Duration {
	var counts [len(s.buckets)]uint32
	total := uint64(0)
	for i := range s.buckets {
		counts[i] = s.buckets[i].Swap(0)
		total += uint64(counts[i])
	}
	s.n.Store(0)
	rank, seen := uint64(math.Ceil(float64(total)*percentile/100)), uint64(0)
	for i, n := range counts {
		if seen += uint64(n); seen >= rank && seen > 0 {
			return middle(i)
		}
	}
	return 0
}

package retry

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Latency is how long tries took of late: a histogram of the last ten to twenty
// seconds, exact to an eighth. Its zero value is ready; its methods may be
// called from many goroutines, and a number that gets lost between two of them
// does no harm.
type Latency struct {
	since   atomic.Int64 // when the window in use was begun, ns since the Unix epoch
	current atomic.Uint32
	windows [2]window
}

const (
	turn     = int64(10 * time.Second)
	smallest = 13 // log2 of the shortest time that is told apart, 8 us
	octaves  = 26 // up to 9 minutes
	parts    = 8  // of an octave
	enough   = 50 // tries, before anything is said
)

type window struct {
	n      atomic.Uint32
	counts [octaves * parts]atomic.Uint32
}

// Observe takes in that a try took d, and ended at now, ns since the Unix epoch.
func (l *Latency) Observe(now int64, d time.Duration) {
	l.rotate(now)
	w := &l.windows[l.current.Load()&1]
	w.counts[place(d)].Add(1)
	w.n.Add(1)
}

// rotate begins a new window where it is time.
func (l *Latency) rotate(now int64) {
	since := l.since.Load()
	if now-since < turn || !l.since.CompareAndSwap(since, now) {
		return
	}
	next := l.current.Load() + 1
	if now-since >= 2*turn { // what is in use is old, too
		l.windows[(next+1)&1].clear()
	}
	l.windows[next&1].clear()
	l.current.Store(next)
}

func (w *window) clear() {
	w.n.Store(0)
	for i := range w.counts {
		w.counts[i].Store(0)
	}
}

// place is the bucket of d.
func place(d time.Duration) int {
	n := uint64(max(d, 0))
	top := bits.Len64(n) - 1
	if top < smallest {
		return 0
	}
	part := int(n>>(top-3)) & (parts - 1)
	return min((top-smallest)*parts+part, octaves*parts-1)
}

// upper is where bucket i ends.
func upper(i int) time.Duration {
	return time.Duration(uint64(parts+i%parts+1) << (smallest + i/parts - 3))
}

// Quantile is the time within which that part of the tries was over; 0 while
// there were too few of late.
func (l *Latency) Quantile(now int64, q float64) time.Duration {
	l.rotate(now)
	n := uint64(l.windows[0].n.Load()) + uint64(l.windows[1].n.Load())
	if n < enough {
		return 0
	}
	want, seen := uint64(float64(n)*q), uint64(0)
	for i := range octaves * parts {
		seen += uint64(l.windows[0].counts[i].Load()) + uint64(l.windows[1].counts[i].Load())
		if seen > want {
			return upper(i)
		}
	}
	return upper(octaves*parts - 1)
}

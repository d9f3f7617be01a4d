package store

import (
	"math"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/histogram"
)

// TrendSlots is how many points a trend has.
const TrendSlots = 15

// Window is a span of time that numbers are told for.
type Window uint8

// Windows, from the shortest. All is everything since the start.
const (
	Minute Window = iota
	FiveMinutes
	Quarter
	Hour
	All
	numWindows
)

// Next is the window after w, the first after the last.
func (w Window) Next() Window { return (w + 1) % numWindows }

// Length is 0 for All.
func (w Window) Length() time.Duration {
	return [...]time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 0}[w%numWindows]
}

func (w Window) String() string {
	return [...]string{"1m", "5m", "15m", "60m", "all"}[w%numWindows]
}

// ParseWindow is the inverse of String.
func ParseWindow(s string) (Window, bool) {
	for w := range numWindows {
		if w.String() == s {
			return w, true
		}
	}
	return 0, false
}

// width is the time that one slot of w covers, in ns.
func (w Window) width() int64 {
	if w == All {
		return math.MaxInt64
	}
	return int64(w.Length()) / TrendSlots
}

// tally counts durations: one slot has few.
type tally [histogram.Size]uint32

// slot is one stretch of time of one series.
type slot struct {
	epoch  int64 // number of the stretch since 1970
	n      uint64
	errors uint64
	total  int64 // ns
	most   int64 // ns
	docs   int64
	bytes  int64
	hist   *tally
}

func (s *slot) begin(epoch int64) {
	h := s.hist
	if h == nil {
		h = new(tally)
	} else {
		clear(h[:])
	}
	*s = slot{epoch: epoch, hist: h}
}

// measure is what every series of an exchange adds.
type measure struct {
	took, docs, bytes int64
	failed            bool
	bucket            int
	epochs            [All]int64 // of its end, by window
}

func measured(x *event.Exchange) (m measure) {
	m.took = x.Duration()
	m.bytes = x.RequestBytes + x.ResponseBytes
	m.failed = x.Status == event.Error
	m.bucket = histogram.Bucket(m.took)
	if x.Mongo != nil {
		m.docs = max(0, x.Mongo.Returned)
	}
	for w := range All {
		m.epochs[w] = x.End / w.width()
	}
	return m
}

func (s *slot) add(m *measure) {
	s.n++
	if m.failed {
		s.errors++
	}
	s.total += m.took
	s.most = max(s.most, m.took)
	s.bytes += m.bytes
	s.docs += m.docs
	s.hist[m.bucket]++
}

// series counts one kind of exchange over every window. It is about 4 kB, and
// 900 bytes more for every slot that ever saw something: 55 kB at most.
type series struct {
	rings [All][TrendSlots]slot
	all   slot
}

func (s *series) add(m *measure) {
	for w := range All {
		epoch := m.epochs[w]
		sl := &s.rings[w][uint64(epoch)%TrendSlots]
		if epoch < sl.epoch && sl.hist != nil {
			continue // older than the window
		}
		if sl.epoch != epoch || sl.hist == nil {
			sl.begin(epoch)
		}
		sl.add(m)
	}
	if s.all.hist == nil {
		s.all.begin(0)
	}
	s.all.add(m)
}

// Stats are the numbers of one series in one window.
type Stats struct {
	N, Errors          uint64
	Total              time.Duration // sum of all durations
	Docs, Bytes        int64
	P50, P95, P99, Max time.Duration
	Rate               float64 // exchanges per second
	Trend              [TrendSlots]uint64
}

// ErrorShare is the share of errors, 0 to 1.
func (s *Stats) ErrorShare() float64 {
	if s.N == 0 {
		return 0
	}
	return float64(s.Errors) / float64(s.N)
}

// DocsPerCall is how many documents an answer brought on average.
func (s *Stats) DocsPerCall() float64 {
	if s.N == 0 {
		return 0
	}
	return float64(s.Docs) / float64(s.N)
}

// span is what stats are asked for: a window that ends now.
type span struct {
	window Window
	trend  Window // whose slots make the trend
	now    int64
	secs   float64 // of the window that have passed since the first exchange
}

func (s *series) stats(in span) (out Stats) {
	var c histogram.Counts
	if in.window == All {
		s.all.sum(&out, &c)
	} else {
		s.each(in.window, in.now, func(_ int, sl *slot) { sl.sum(&out, &c) })
	}
	s.each(in.trend, in.now, func(i int, sl *slot) { out.Trend[i] = sl.n })
	out.P50 = time.Duration(c.Quantile(0.50, out.N))
	out.P95 = time.Duration(c.Quantile(0.95, out.N))
	out.P99 = min(out.Max, time.Duration(c.Quantile(0.99, out.N)))
	out.P50, out.P95 = min(out.P50, out.P99), min(out.P95, out.P99)
	out.Rate = float64(out.N) / in.secs
	return out
}

// each calls f with every slot of w that is not over, oldest first.
func (s *series) each(w Window, now int64, f func(i int, sl *slot)) {
	last := now / w.width()
	for i := range TrendSlots {
		epoch := last - TrendSlots + 1 + int64(i)
		if sl := &s.rings[w][uint64(epoch)%TrendSlots]; sl.hist != nil && sl.epoch == epoch {
			f(i, sl)
		}
	}
}

func (s *slot) sum(out *Stats, c *histogram.Counts) {
	if s.hist == nil {
		return
	}
	out.N += s.n
	out.Errors += s.errors
	out.Total += time.Duration(s.total)
	out.Docs += s.docs
	out.Bytes += s.bytes
	out.Max = max(out.Max, time.Duration(s.most))
	for i, n := range s.hist {
		c[i] += uint64(n)
	}
}

package upstream

import (
	"cmp"
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// Load is how busy a host says it is. Utilizations are shares, 1 for all there
// is; what is 0 was not said.
type Load struct {
	CPU         float64
	Memory      float64
	Utilization float64 // of what the application runs out of first; may be above 1
	QPS         float64 // requests a second
	EPS         float64 // errors a second
}

// Steering has what hosts say about their load decide their weights, as Envoy's
// client-side weighted round robin does: weight = qps / (utilization +
// eps/qps * penalty), which is about how many requests a second a host could
// carry. Zero values stand for the defaults named here.
type Steering struct {
	Penalty  float64       // for errors; 1 by default, negative for none
	Blackout time.Duration // for which a host must have been telling; 10 s by default
	Expiry   time.Duration // for which a report holds; 3 min by default
	Period   time.Duration // between two computations; 1 s by default
}

func (s Steering) withDefaults() Steering {
	s.Penalty = max(0, cmp.Or(s.Penalty, 1))
	s.Blackout = cmp.Or(s.Blackout, 10*time.Second)
	s.Expiry = cmp.Or(s.Expiry, 3*time.Minute)
	s.Period = cmp.Or(s.Period, time.Second)
	return s
}

// steering is that of one cluster.
type steering struct {
	Steering
	last atomic.Int64 // computation, ns since the Unix epoch
}

// Report has weights be computed while there is traffic.
func (*steering) Report(h *Host, r Result) { h.cluster.steer(r.Now) }

// report is a host's last one. It does not change.
type report struct {
	Load
	at, since int64 // ns since the Unix epoch: when it came, and the first of those that came in a row
}

// TakeLoad takes in how busy h says it is at the time now, in ns since the Unix
// epoch.
func (h *Host) TakeLoad(now int64, l Load) {
	h.heard(now, l)
	h.cluster.steer(now)
}

// Steered reports whether h's load has a say in its weight.
func (h *Host) Steered() bool { return h.cluster.steering != nil }

func (h *Host) heard(now int64, l Load) {
	r := &report{Load: l, at: now, since: now}
	s := h.cluster.steering
	if old := h.load.Load(); old != nil && (s == nil || now-old.at <= int64(s.Expiry)) {
		r.since = old.since
	}
	h.load.Store(r)
}

// TakeLoads is TakeLoad for hosts by their addresses.
func (c *Cluster) TakeLoads(now time.Time, all map[string]Load) {
	if len(all) == 0 {
		return
	}
	for _, h := range c.Hosts() {
		if l, ok := all[h.address]; ok {
			h.heard(now.UnixNano(), l)
		}
	}
	c.steer(now.UnixNano())
}

// Load is how busy h said last that it is, and when, in ns since the Unix epoch;
// 0 when it never did.
func (h *Host) Load() (l Load, at int64) {
	if r := h.load.Load(); r != nil {
		return r.Load, r.at
	}
	return Load{}, 0
}

// steer computes the weights anew when it is time.
func (c *Cluster) steer(now int64) {
	s := c.steering
	if s == nil {
		return
	}
	last := s.last.Load()
	if now-last < int64(s.Period) || !s.last.CompareAndSwap(last, now) {
		return
	}
	if last == 0 {
		last = now - int64(s.Period)
	}
	if s.weigh(c.Hosts(), now, time.Duration(now-last)) {
		c.rebuild()
	}
}

// evenWeight is that of a host in the middle, and of those of which nothing is
// known. Weights are relative.
const evenWeight = 1000

// weigh sets the weights of hosts by what they told, and reports whether that
// changed any. elapsed is the time since it was done last.
func (s *Steering) weigh(hosts []*Host, now int64, elapsed time.Duration) (changed bool) {
	told := make([]*report, len(hosts))
	own := false // somebody does not say how many requests he gets: ours are counted
	for i, h := range hosts {
		if r := h.load.Load(); r != nil && now-r.at <= int64(s.Expiry) && now-r.since >= int64(s.Blackout) {
			told[i], own = r, own || r.QPS <= 0
		}
	}
	weights, known := make([]float64, len(hosts)), []float64(nil)
	for i, h := range hosts {
		qps := h.rate(elapsed)
		if told[i] == nil {
			continue
		}
		if !own {
			qps = told[i].QPS
		}
		if weights[i] = s.weight(&told[i].Load, qps); weights[i] > 0 {
			known = append(known, weights[i])
		}
	}
	middle := median(known)
	for i, h := range hosts {
		w := evenWeight
		if weights[i] > 0 {
			w = int(min(max(1, math.Round(weights[i]/middle*evenWeight)), math.MaxUint16*evenWeight))
		}
		changed = h.steerTo(uint32(w), len(known) > 0) || changed
	}
	return changed
}

// steerTo has h weigh as its load wants, or as it was told where loads say
// nothing; unless an operator has decided. It reports whether that changed it.
func (h *Host) steerTo(w uint32, by bool) bool {
	if h.steered.Store(by); !by {
		w = max(1, h.Endpoint().Weight)
	}
	return !h.fixed.Load() && h.weight.Swap(w) != w
}

// rate is how many exchanges a second h got since this was asked last.
func (h *Host) rate(elapsed time.Duration) float64 {
	total := h.total.Load()
	n := total - h.counted.Swap(total)
	return float64(n) / max(elapsed, time.Millisecond).Seconds()
}

// weight is 0 where nothing is known.
func (s *Steering) weight(l *Load, qps float64) float64 {
	utilization := l.Utilization
	if utilization <= 0 {
		utilization = l.CPU
	}
	if qps <= 0 || utilization <= 0 {
		return 0
	}
	return qps / (utilization + max(0, l.EPS)/qps*s.Penalty)
}

// median takes values, which it sorts; 1 where there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 1
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

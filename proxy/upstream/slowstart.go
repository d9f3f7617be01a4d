package upstream

import (
	"cmp"
	"math"
	"time"
)

// SlowStart has a host that is new, or that passes its health checks again, get
// its share of exchanges little by little. Zero values stand for the defaults
// named here.
type SlowStart struct {
	Window     time.Duration // for so long; 0 for no slow start
	Aggression float64       // 1 for a share that grows evenly, which is the default; more is faster at the beginning
	MinPercent float64       // of its share that it gets at once; 10 by default, negative for none
}

func (s SlowStart) withDefaults() SlowStart {
	s.Aggression = cmp.Or(s.Aggression, 1)
	s.MinPercent = max(0, cmp.Or(s.MinPercent, 10))
	return s
}

// leastFactor keeps a weight above 0.
const leastFactor = 1e-6

// factor is what a weight is multiplied with after so long.
func (s *SlowStart) factor(t time.Duration) float64 {
	if t >= s.Window {
		return 1
	}
	f := float64(max(0, t)) / float64(s.Window)
	if s.Aggression != 1 {
		f = math.Pow(f, 1/s.Aggression)
	}
	return max(f, s.MinPercent/100, leastFactor)
}

// weigh is h's weight at now.
func (s *SlowStart) weigh(h *Host, now int64) float64 {
	return float64(h.Weight()) * s.warm(h, now)
}

// until is when the last of the hosts will have warmed up, 0 where all have.
func (s *SlowStart) until(hosts []*Host, now int64) (last int64) {
	if s.Window <= 0 {
		return 0
	}
	for _, h := range hosts {
		if since := h.since.Load(); since != 0 && now-since < int64(s.Window) {
			last = max(last, since+int64(s.Window))
		}
	}
	return last
}

func (s *SlowStart) any(set *Set) bool { return s.until(set.Hosts, set.Now) != 0 }

// warming is a policy with a slow start.
type warming interface {
	warm(h *Host, now int64) float64
}

// warm is the part of its weight that h has at now.
func (s *SlowStart) warm(h *Host, now int64) float64 {
	since := h.since.Load()
	if s.Window <= 0 || since == 0 {
		return 1
	}
	return s.factor(time.Duration(now - since))
}

// Warm is the part of its weight that h has at now, ns since the Unix epoch: 1,
// but for a host in its slow start.
func (h *Host) Warm(now int64) float64 {
	if w, ok := h.cluster.options.Policy.(warming); ok {
		return w.warm(h, now)
	}
	return 1
}

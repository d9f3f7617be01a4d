package upstream

import (
	"cmp"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// peakEWMA takes, of two hosts drawn, the one at which an exchange is likely to
// be over first: by its latency lately, times the exchanges under way. A latency
// above the mean counts at once and fully, those below it little by little; a
// failure counts as a high one, so that a host that fails fast is none that
// serves fast.
type peakEWMA struct {
	choices int
	decay   float64 // ns
	initial float64 // ns
	penalty time.Duration
}

// Defaults of Tuning.
const (
	DefaultDecay   = 10 * time.Second
	DefaultInitial = 30 * time.Millisecond
	DefaultPenalty = time.Second
)

func newPeakEWMA(t Tuning) Policy {
	return &peakEWMA{
		choices: min(cmp.Or(t.Choices, DefaultChoices), MaxChoices), decay: float64(cmp.Or(t.Decay, DefaultDecay)),
		initial: float64(cmp.Or(t.Initial, DefaultInitial)), penalty: cmp.Or(t.Penalty, DefaultPenalty),
	}
}

func (*peakEWMA) Name() string   { return "peak_ewma" }
func (*peakEWMA) Traits() Traits { return Traits{Drawn: true} }

func (p *peakEWMA) Over(s *Set) Picker {
	if len(s.Hosts) == 1 {
		return only{s.Hosts[0]}
	}
	return &fastest{s.Hosts, p, min(p.choices, len(s.Hosts))}
}

// learn takes in how an attempt at h went.
func (p *peakEWMA) learn(h *Host, r Result) {
	took := cmp.Or(r.First, r.Took)
	switch {
	case r.Failure == Cancelled && float64(took) <= h.ewma.at(p, r.Now): // all that is known is that it took at least so long
		return
	case r.Failure == Cancelled:
	case r.Failure != NoFailure, r.Status >= 500, r.Status == 429:
		took = max(took, p.penalty)
	case took <= 0:
		return
	}
	h.ewma.observe(p, r.Now, took)
}

// ewma is a mean of latencies that forgets: the latency in ns as a float32, and
// when it was looked at last, in ms that may have wrapped.
type ewma struct{ packed atomic.Uint64 }

const msec = int64(time.Millisecond)

func packed(latency float64, stamp uint32) uint64 {
	return uint64(math.Float32bits(float32(latency)))<<32 | uint64(stamp)
}

// start has h be as if its latency were the initial one at now.
func (p *peakEWMA) start(h *Host, now int64) {
	h.ewma.packed.Store(packed(p.initial, uint32(now/msec)))
}

// at is the latency to be expected at now, in ns: the one known, and less the
// longer ago that is, so that a host that was slow is tried again.
func (e *ewma) at(p *peakEWMA, now int64) float64 {
	latency, kept, _ := p.aged(e.packed.Load(), now)
	return latency * kept
}

// aged is what is known, and the part of it that age has left at now.
func (p *peakEWMA) aged(old uint64, now int64) (latency, kept float64, stamp uint32) {
	latency, stamp = float64(math.Float32frombits(uint32(old>>32))), uint32(now/msec)
	d := int32(stamp - uint32(old))
	if d <= 0 { // reports may come out of order
		return latency, 1, uint32(old)
	}
	return latency, math.Exp(-float64(d) * float64(msec) / p.decay), stamp
}

func (e *ewma) observe(p *peakEWMA, now int64, took time.Duration) {
	for {
		old := e.packed.Load()
		latency, kept, stamp := p.aged(old, now)
		if float64(took) > latency {
			latency = float64(took)
		} else {
			latency = latency*kept + float64(took)*(1-kept)
		}
		if e.packed.CompareAndSwap(old, packed(latency, stamp)) {
			return
		}
	}
}

type fastest struct {
	hosts   []*Host
	policy  *peakEWMA
	choices int
}

func (p *fastest) Pick(w *Want) *Host {
	if p.choices == 2 {
		a, b := two(p.hosts)
		knownA, knownB := a.ewma.packed.Load(), b.ewma.packed.Load() // at once: each may take a while
		if p.cost(b, knownB, w.Now) < p.cost(a, knownA, w.Now) {
			return b
		}
		return a
	}
	var buf [MaxChoices]uint32
	drawn := buf[:p.choices]
	if p.choices == len(p.hosts) {
		from := rand.Uint32N(uint32(p.choices)) // of level ones any may be the first
		for i := range drawn {
			drawn[i] = (uint32(i) + from) % uint32(p.choices)
		}
	} else {
		drawn = sample(drawn, len(p.hosts))
	}
	var best *Host
	least := 0.0
	for _, i := range drawn {
		h := p.hosts[i]
		if cost := p.cost(h, h.ewma.packed.Load(), w.Now); best == nil || cost < least {
			best, least = h, cost
		}
	}
	return best
}

// cost is what an exchange at h, of which so much is known, is likely to cost.
func (p *fastest) cost(h *Host, known uint64, now int64) float64 {
	latency, kept, _ := p.policy.aged(known, now)
	return latency * kept * float64(max(0, h.Active())+1) / float64(h.Weight())
}

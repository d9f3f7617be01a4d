package upstream

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// leastRequest takes the least busy of a few hosts drawn without replacement:
// drawing with it would, with two hosts, pick the busier one every fourth time.
// Hosts of different weights take turns by weight / (exchanges + 1) ^ bias.
type leastRequest struct {
	choices int
	bias    float64
	scan    bool
	slow    SlowStart
}

// Bounds of how many hosts are drawn.
const (
	DefaultChoices = 2
	MaxChoices     = 64
)

func (p *leastRequest) warm(h *Host, now int64) float64 { return p.slow.warm(h, now) }

func newLeastRequest(t Tuning) Policy {
	p := &leastRequest{choices: min(cmp.Or(t.Choices, DefaultChoices), MaxChoices), bias: 1, scan: t.FullScan, slow: t.SlowStart.withDefaults()}
	if t.Bias != nil && *t.Bias >= 0 {
		p.bias = *t.Bias
	}
	return p
}

func (*leastRequest) Name() string   { return "least_request" }
func (*leastRequest) Traits() Traits { return Traits{Drawn: true} }

func (p *leastRequest) Over(s *Set) Picker {
	switch n := len(s.Hosts); {
	case n == 1:
		return only{s.Hosts[0]}
	case !equal(s.Hosts), p.slow.any(s):
		return newSchedule(s, rand.Float64(), p.weigh)
	case p.scan || p.choices >= n && p.choices > 2:
		return leastOfAll(s.Hosts)
	case p.choices > 2:
		return &leastOfSome{s.Hosts, p.choices}
	}
	return lessBusy(s.Hosts)
}

func (p *leastRequest) warmUntil(hosts []*Host, now int64) int64 { return p.slow.until(hosts, now) }

func (p *leastRequest) weigh(h *Host, now int64) float64 {
	busy := float64(max(0, h.Active()) + 1)
	if p.bias != 1 {
		busy = math.Pow(busy, p.bias)
	}
	return p.slow.weigh(h, now) / busy
}

type lessBusy []*Host

func (hosts lessBusy) Pick(*Want) *Host {
	a, b := two(hosts)
	if b.Active() < a.Active() {
		return b
	}
	return a
}

// two are two different hosts of at least two, drawn by chance.
func two(hosts []*Host) (a, b *Host) {
	n := uint32(len(hosts))
	r := rand.Uint64()
	i, j := uint32(r>>32*uint64(n)>>32), uint32(r&math.MaxUint32*uint64(n-1)>>32)
	if j >= i {
		j++
	}
	return hosts[i], hosts[j]
}

type leastOfSome struct {
	hosts   []*Host
	choices int // from 2 to MaxChoices, and fewer than hosts
}

func (p *leastOfSome) Pick(*Want) *Host {
	var buf [MaxChoices]uint32
	var best *Host
	least := int64(0)
	for _, i := range sample(buf[:p.choices], len(p.hosts)) {
		h := p.hosts[i]
		if n := h.Active(); best == nil || n < least {
			best, least = h, n
		}
	}
	return best
}

// sample fills drawn with different numbers below n, all equally likely and in
// any order, of which there are more than drawn has room for: with one after the
// other, again where it is there already, or with R. W. Floyd's way and a shuffle
// where that would be often.
func sample(drawn []uint32, n int) []uint32 {
	if n < 2*len(drawn) {
		return floyd(drawn, n)
	}
	for have := 0; have < len(drawn); {
		r := rand.Uint64()
		for _, half := range [2]uint64{r >> 32, r & math.MaxUint32} {
			if i := uint32(half * uint64(n) >> 32); have < len(drawn) && !slices.Contains(drawn[:have], i) {
				drawn[have] = i
				have++
			}
		}
	}
	return drawn
}

func floyd(drawn []uint32, n int) []uint32 {
	for have := range drawn {
		top := uint32(n - len(drawn) + have)
		r := rand.Uint32N(top + 1)
		if slices.Contains(drawn[:have], r) {
			r = top
		}
		drawn[have] = r
		at := rand.IntN(have + 1)
		drawn[have], drawn[at] = drawn[at], drawn[have]
	}
	return drawn
}

type leastOfAll []*Host

// Pick takes any of those that are level: it counts them, and then goes to the
// one that chance says, as far as it still is one.
func (hosts leastOfAll) Pick(*Want) *Host {
	best, least, ties := hosts[0], hosts[0].Active(), uint32(0)
	for _, h := range hosts {
		switch n := h.Active(); {
		case n < least:
			best, least, ties = h, n, 1
		case n == least:
			ties++
		}
	}
	if ties < 2 {
		return best
	}
	after := rand.Uint32N(ties)
	for _, h := range hosts {
		if h.Active() > least {
			continue
		}
		if best = h; after == 0 {
			break
		}
		after--
	}
	return best
}

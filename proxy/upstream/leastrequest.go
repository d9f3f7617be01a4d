package upstream

import (
	"cmp"
	"math"
	"math/rand/v2"
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

// sample fills drawn with different numbers below n, all equally likely
// (R. W. Floyd), of which there are more than drawn has room for. Which of them
// comes first is chance, too.
func sample(drawn []uint32, n int) []uint32 {
	for have := range drawn {
		top := uint32(n - len(drawn) + have)
		r := rand.Uint32N(top + 1)
		for _, d := range drawn[:have] {
			if d == r {
				r = top
				break
			}
		}
		drawn[have] = r
		at := rand.IntN(have + 1)
		drawn[have], drawn[at] = drawn[at], drawn[have]
	}
	return drawn
}

type leastOfAll []*Host

func (hosts leastOfAll) Pick(*Want) *Host {
	best, least, ties := hosts[0], hosts[0].Active(), uint32(1)
	for _, h := range hosts[1:] {
		switch n := h.Active(); {
		case n < least:
			best, least, ties = h, n, 1
		case n == least: // each of those that are level is equally likely
			if ties++; rand.Uint32N(ties) == 0 {
				best = h
			}
		}
	}
	return best
}

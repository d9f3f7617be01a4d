package upstream

import (
	"math/rand/v2"
	"sync/atomic"
)

// roundRobin takes one host after the other, each as often as it weighs. It
// starts anywhere, so that many proxies started together do not move in step.
type roundRobin struct{ slow SlowStart }

func (p roundRobin) warm(h *Host, now int64) float64 { return p.slow.warm(h, now) }

func newRoundRobin(t Tuning) Policy { return roundRobin{t.SlowStart.withDefaults()} }

func (roundRobin) Name() string   { return "round_robin" }
func (roundRobin) Traits() Traits { return Traits{} }

func (p roundRobin) Over(s *Set) Picker {
	n := len(s.Hosts)
	switch warming := p.slow.any(s); {
	case n == 1:
		return only{s.Hosts[0]}
	case warming:
		return newSchedule(s, rand.Float64(), p.slow.weigh)
	case equal(s.Hosts):
		t := &inTurn{hosts: s.Hosts}
		t.next.Store(rand.Uint64N(uint64(n)))
		return t
	}
	if round := sequence(weightsOf(s.Hosts), max(minRound, 8*n)); round != nil {
		t := &inRound{hosts: s.Hosts, round: round}
		t.next.Store(rand.Uint64N(uint64(len(round))))
		return t
	}
	return newSchedule(s, rand.Float64(), plainWeight)
}

func (p roundRobin) warmUntil(hosts []*Host, now int64) int64 { return p.slow.until(hosts, now) }

// minRound is how long a round of hosts of different weights may be though there
// are few of them: 16 KiB.
const minRound = 4096

func plainWeight(h *Host, _ int64) float64 { return float64(h.Weight()) }

type inTurn struct {
	hosts []*Host
	next  atomic.Uint64
}

func (p *inTurn) Pick(*Want) *Host { return p.hosts[(p.next.Add(1)-1)%uint64(len(p.hosts))] }

// inRound is inTurn for hosts of different weights.
type inRound struct {
	hosts []*Host
	round []uint32 // of the numbers of hosts
	next  atomic.Uint64
}

func (p *inRound) Pick(*Want) *Host {
	return p.hosts[p.round[(p.next.Add(1)-1)%uint64(len(p.round))]]
}

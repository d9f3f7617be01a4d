package upstream

import (
	"math/rand/v2"
	"sync/atomic"
)

// roundRobin takes one host after the other. It starts anywhere, so that many
// proxies started together do not move in step.
type roundRobin struct{}

func newRoundRobin() Policy { return roundRobin{} }

func (roundRobin) Name() string { return "round_robin" }

func (roundRobin) Over(hosts []*Host) Picker {
	p := &inTurn{hosts: hosts}
	p.next.Store(uint64(rand.Uint32()))
	return p
}

type inTurn struct {
	hosts []*Host
	next  atomic.Uint64
}

func (p *inTurn) Pick(*Want) *Host { return p.hosts[p.next.Add(1)%uint64(len(p.hosts))] }

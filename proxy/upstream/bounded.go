package upstream

import "math"

// bounded has a hash be served by another host than its own while that one has
// more than its share of the exchanges under way (consistent hashing with bounded
// loads: Mirrokni, Thorup and Zadimoghaddam, 2016).
type bounded struct {
	hosts  []*Host
	shares []float64
	finder interface {
		find(hash uint64, later int) uint32
	}
	factor int // percent of the mean
}

func newBounded(s *Set, f interface {
	find(hash uint64, later int) uint32
}, factor int) *bounded {
	shares, _, _ := s.shares()
	return &bounded{s.Hosts, shares, f, factor}
}

// slots are how many exchanges a host with that share of all may have under way,
// where so many are at all hosts together.
func slots(total int64, factor int, share float64) float64 {
	all := (max(0, total)+1)*int64(factor) + 99
	return max(1, math.Ceil(float64(all/100)*share))
}

func (b *bounded) overload(i uint32, total int64) float64 {
	return float64(b.hosts[i].Active()) / slots(total, b.factor, b.shares[i])
}

func (b *bounded) Pick(w *Want) *Host {
	hash := w.hash()
	own := b.finder.find(hash, w.turn())
	total := b.hosts[own].cluster.active()
	least := b.overload(own, total)
	if least <= 1 {
		return b.hosts[own]
	}
	w.note = overloaded
	n := uint32(len(b.hosts))
	at, step, best := uint32(hash%uint64(n)), walk(hash, n), own
	for range n { // each host once, in an order that is the hash's own
		switch o := b.overload(at, total); {
		case o <= 1:
			return b.hosts[at]
		case o < least:
			best, least = at, o
		}
		at = uint32((uint64(at) + uint64(step)) % uint64(n))
	}
	return b.hosts[best]
}

// walk is a step by which one comes past each of n hosts.
func walk(hash uint64, n uint32) uint32 {
	if n < 3 {
		return 1
	}
	step := uint32(hash>>32)%(n-1) + 1
	for gcd(step, n) != 1 {
		step = step%(n-1) + 1
	}
	return step
}

// active is how many exchanges are under way at the cluster.
func (c *Cluster) active() int64 { return c.underWay.Load() }

package upstream

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// ringHash has each hash be served by the next host on a ring, on which each has
// places by its weight (Ketama): when a host comes or goes, only its own share of
// hashes moves.
type ringHash struct{ min, max, balance int }

// Bounds of a ring.
const (
	DefaultRingMin = 1024
	DefaultRingMax = 8 << 20
	MaxRing        = 8 << 20
)

func newRingHash(t Tuning) Policy {
	return ringHash{cmp.Or(t.RingMin, DefaultRingMin), cmp.Or(t.RingMax, DefaultRingMax), t.Balance}
}

func (ringHash) Name() string     { return "ring_hash" }
func (p ringHash) Traits() Traits { return Traits{Hashes: true, Bounded: p.balance > 0, Table: p.min} }

func (p ringHash) Over(s *Set) Picker {
	r := newRing(s, p.min, p.max)
	if p.balance > 0 {
		return newBounded(s, r, p.balance)
	}
	return r
}

type ring struct {
	hosts  []*Host
	places []place
	shift  int      // of a hash, for what finds it in index
	index  []uint32 // the first place in each part of the circle
}

type place struct {
	hash uint64
	host uint32
}

func newRing(s *Set, least, most int) *ring {
	shares, smallest, _ := s.shares()
	scale := float64(most)
	if smallest > 0 {
		scale = min(math.Ceil(smallest*float64(least))/smallest, scale)
	}
	r := &ring{hosts: s.Hosts, places: make([]place, 0, int(math.Ceil(scale)))}
	target, n := 0.0, 0.0
	var key []byte
	for i, name := range hashKeys(s.Hosts) {
		key = append(append(key[:0], name...), '_')
		target += scale * shares[i]
		for k := 0; n < target-1e-6; k++ { // not one more for what rounding adds up to
			var p place
			p.host = uint32(i)
			p.hash, key = point(key, k)
			r.places = append(r.places, p)
			n++
		}
	}
	slices.SortFunc(r.places, func(a, b place) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.host, b.host)) })
	r.shift = 64 - bits.Len(uint(len(r.places)))
	r.index = make([]uint32, 1<<(64-r.shift))
	at := 0
	for part := range r.index {
		for at < len(r.places) && r.places[at].hash>>r.shift < uint64(part) {
			at++
		}
		r.index[part] = uint32(at)
	}
	return r
}

func (r *ring) Pick(w *Want) *Host { return r.hosts[r.find(w.hash(), w.turn())] }

// find is the number of the host at the first place that is not before hash, or
// so many places later.
func (r *ring) find(hash uint64, later int) uint32 {
	at := int(r.index[hash>>r.shift])
	for at < len(r.places) && r.places[at].hash < hash {
		at++
	}
	return r.places[(at+later)%len(r.places)].host
}

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

// ring is the places in order of their hashes, and where on it each part of the
// circle begins: of 2^bits parts, so that there is about one place in each. A place
// is what its hash has beside the bits that all of a part have, and its host's
// number in their stead.
type ring struct {
	hosts  []*Host
	places []uint64 // and one more, which is never looked for
	bits   uint     // below 64; as many as number the hosts, at least
	parts  []uint32 // the first place of each, and after the last one how many there are
}

// place is one before they are packed.
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
	places := make([]place, 0, int(math.Ceil(scale)))
	target, n := 0.0, 0.0
	var key []byte
	for i, name := range hashKeys(s.Hosts) {
		key = append(append(key[:0], name...), '_')
		target += scale * shares[i]
		for k := 0; n < target-1e-6; k++ { // not one more for what rounding adds up to
			var p place
			p.host = uint32(i)
			p.hash, key = point(key, k)
			places = append(places, p)
			n++
		}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.host, b.host)) })
	return pack(s.Hosts, places)
}

func pack(hosts []*Host, places []place) *ring {
	r := &ring{hosts: hosts, places: make([]uint64, len(places)+1), bits: uint(bits.Len(uint(max(len(places), len(hosts)))))}
	r.parts = make([]uint32, 1<<r.bits+1)
	for i, p := range places {
		r.places[i] = p.hash<<r.bits | uint64(p.host)
		r.parts[p.hash>>(64-r.bits)+1]++
	}
	for i := range len(r.parts) - 1 {
		r.parts[i+1] += r.parts[i]
	}
	return r
}

func (r *ring) host(i uint64) uint32 { return uint32(r.places[i] & (1<<(r.bits&63) - 1)) }

func (r *ring) Pick(w *Want) *Host { return r.hosts[r.find(w.hash(), w.turn())] }

// find is the number of the host at the first place that is not before hash, or
// so many places later.
func (r *ring) find(hash uint64, later int) uint32 {
	shift := r.bits & 63 // which it is: said for the compiler
	part, rest := hash>>(-shift&63), hash<<shift>>shift
	at, end := uint64(r.parts[part]), uint64(r.parts[part+1])
	for ((at-end)>>63)&((r.places[at]>>shift-rest)>>63) != 0 { // at < end and its place < rest: one branch to guess, not two
		at++
	}
	if n := uint64(len(r.places) - 1); at+uint64(later) >= n {
		return r.host((at + uint64(later)) % n)
	}
	return r.host(at + uint64(later))
}

package reassembly

import (
	"github.com/pitot-io/pitot/internal/event"
)

// Overlap is a place in a direction for which two segments have different
// bytes. What it shows is valid during the call that tells of it.
type Overlap struct {
	Dir    event.Dir
	Seq    uint32 // number of the first byte that differs
	Offset uint32 // the same, counted from the direction's first byte; wraps
	Length int    // bytes that both segments have from there on
	First  []byte // what the earlier segment has there, at most shown bytes
	Second []byte // what the later one has
	Over   bool   // the earlier bytes had been handed over, so that they count whatever the policy
	Last   bool   // the later bytes count
}

const shown = 32 // bytes of an Overlap

// differ finds the first byte that two pieces tell differently; p came first.
func differ(p, q *held) (o Overlap, differs bool) {
	from := p.seq
	if before(from, q.seq) {
		from = q.seq
	}
	a, b := p.from(from), q.from(from)
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return Overlap{Seq: from + uint32(i), Length: n - i, First: a[i:min(n, i+shown)], Second: b[i:min(n, i+shown)]}, true
		}
	}
	return Overlap{}, false
}

// from is the bytes that x has from that number on.
func (x *held) from(seq uint32) []byte {
	skip := seq - x.seq
	if skip >= uint32(len(x.b)) {
		return nil
	}
	return x.b[skip:]
}

// report tells of an overlap, of the first few of a connection.
func (a *Shard) report(c *Conn, d event.Dir, o *Overlap) {
	a.counts.Overlaps++
	if c.overlaps >= a.limits.Overlaps {
		return
	}
	c.overlaps++
	o.Dir, o.Offset = d, o.Seq-c.half[d].first
	a.ensure(c)
	c.stream.Overlap(c.clock(a.now), o)
}

// compare looks for bytes of a segment that comes again and differ from those
// handed over, as far as they are remembered. A probe that asks whether the
// connection is alive may hold anything in its one byte (RFC 9293, 3.8.4).
func (a *Shard) compare(c *Conn, d event.Dir, x *held) {
	h := &c.half[d]
	if h.trail == nil || len(x.b) == 1 && x.seq+1 == h.next {
		return
	}
	for i := range h.trail.samples {
		s := &h.trail.samples[i]
		old := held{seq: s.seq, b: s.bytes[:s.n]}
		if o, differs := differ(&old, x); differs {
			o.Over = true
			a.report(c, d, &o)
			return
		}
	}
}

const (
	numSamples  = 4
	sampleBytes = 256
	trailBytes  = numSamples*(sampleBytes+16) + 64
)

// trail remembers the beginnings of the latest segments that one direction
// handed over.
type trail struct {
	of      *half
	next    int
	samples [numSamples]sample
}

type sample struct {
	seq   uint32
	n     int
	bytes [sampleBytes]byte
}

// trails are lent to directions, of which the one that has had its own for
// longest gives it up to another.
type trails struct {
	most  int
	all   []*trail
	hand  int
	spare []*trail
}

func (t *trails) keep(h *half, seq uint32, b []byte) {
	if h.trail == nil && !t.lend(h) {
		return
	}
	r := h.trail
	s := &r.samples[r.next]
	s.seq, s.n = seq, copy(s.bytes[:], b)
	r.next = (r.next + 1) % numSamples
}

func (t *trails) lend(h *half) bool {
	var r *trail
	switch {
	case len(t.spare) > 0:
		r = t.spare[len(t.spare)-1]
		t.spare = t.spare[:len(t.spare)-1]
	case len(t.all) < t.most:
		r = new(trail)
		t.all = append(t.all, r)
	case len(t.all) == 0:
		return false
	default:
		r = t.all[t.hand]
		t.hand = (t.hand + 1) % len(t.all)
		if r.of != nil {
			r.of.trail = nil
		}
	}
	for i := range r.samples {
		r.samples[i].n = 0
	}
	r.of, h.trail = h, r
	return true
}

func (t *trails) drop(h *half) {
	if r := h.trail; r != nil {
		r.of, h.trail = nil, nil
		t.spare = append(t.spare, r)
	}
}

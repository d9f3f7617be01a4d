package reassembly

import (
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/packet"
)

// Shard puts the segments of some connections in order. What it tells of a
// connection hangs on that connection's segments alone, but for Limits.Total,
// which its connections share. It is for one goroutine at a time.
type Shard struct {
	counts  *Counts
	limits  Limits
	open    func(*Conn) Stream
	waiting list // with a hole, oldest hole first
	waits   int  // bytes that wait in all connections
	now     int64
	spare   spare
	trails  trails
}

// NewShard makes a shard; open is called for every connection that carries
// bytes, before its first.
func NewShard(l Limits, counts *Counts, open func(*Conn) Stream) *Shard {
	s := newShard(l, counts, open)
	return &s
}

func newShard(l Limits, counts *Counts, open func(*Conn) Stream) Shard {
	return Shard{counts: counts, limits: l, open: open, trails: trails{most: l.Trails / trailBytes}}
}

// Segment takes the next segment of c, which is of direction d, at a time that
// is not before that of any call before.
func (a *Shard) Segment(at int64, c *Conn, d event.Dir, s *packet.Segment) {
	a.counts.Segments++
	a.Advance(at)
	if c.closed && !a.revive(c, d, s) {
		return
	}
	a.segment(c, d, s)
}

// Over ends c, of which nothing more will come: its Tracker says so, and
// whether nothing but the watching ends.
func (a *Shard) Over(at int64, c *Conn, unwatched bool) {
	a.Advance(at)
	c.unwatched = unwatched
	a.shut(c)
}

// Advance moves the clock on, and with it everything that waits for a time:
// each at its own time, whenever this is called.
func (a *Shard) Advance(at int64) {
	for c := a.waiting.head; c != nil && at-c.holeSince >= a.limits.Wait; c = a.waiting.head {
		a.now = max(a.now, c.holeSince+a.limits.Wait)
		a.overdue(c)
	}
	a.now = max(a.now, at)
}

// Now is the shard's time.
func (a *Shard) Now() int64 { return a.now }

// Waits reports whether segments of any connection wait. What is told later may
// then have a time up to Limits.Wait back.
func (a *Shard) Waits() bool { return a.waiting.head != nil }

// segment is the heart: s belongs to c, in direction d.
func (a *Shard) segment(c *Conn, d event.Dir, s *packet.Segment) {
	h, o := &c.half[d], &c.half[d.Other()]
	seq := s.Seq
	if s.Flags&packet.SYN != 0 {
		seq++
		h.begin(seq, sure)
	}
	if s.Flags&packet.ACK != 0 {
		o.acknowledged(s.Ack, a.now)
	}
	if s.Flags&packet.RST != 0 {
		a.reset(c, d, s.Seq) // whatever bytes it has are a text for people (RFC 9293, 3.5.3)
	} else if n := len(s.Payload) + s.Missing; n > 0 || s.Flags&packet.FIN != 0 {
		h.start(seq, n)
		if !a.inOrder(h, o, s, seq) {
			a.irregular(c, d, s, seq)
		} else {
			a.deliver(c, d, a.now, s.Payload, s.Missing)
		}
	} else if h.known == unknown {
		h.begin(seq, guessed)
	}
	if !c.closed && (c.waits || !h.quiet() || !o.quiet()) {
		a.settle(c)
	}
}

// inOrder reports whether a segment can be handed over as it lies in its
// packet, which is by far the most common case.
func (a *Shard) inOrder(h, o *half, s *packet.Segment, seq uint32) bool {
	return seq == h.next && h.known == sure && !h.ended && len(h.queue) == 0 && s.Flags&packet.FIN == 0 &&
		!(s.Flags&packet.ACK != 0 && o.lacks(s.Ack, &a.limits))
}

// irregular takes a segment that cannot simply be handed over.
func (a *Shard) irregular(c *Conn, d event.Dir, s *packet.Segment, seq uint32) {
	h := &c.half[d]
	if h.stray(seq, uint32(len(s.Payload)+s.Missing), a.limits.Jump) {
		a.counts.Stray++
		return
	}
	if h.strayJump { // the second in a row: the connection really is there now
		h.strayJump = false
		a.gapTo(c, d, seq)
	}
	if s.Flags&packet.FIN != 0 && !h.ended {
		h.finish(seq + uint32(len(s.Payload)+s.Missing))
	}
	a.hold(c, d, held{seq: seq, b: s.Payload, missing: s.Missing, ack: s.Ack, acks: s.Flags&packet.ACK != 0, at: a.now})
}

// deliver hands over what lies at the place next in direction d and came at
// the time at. What waited keeps its time, unless something was told since.
func (a *Shard) deliver(c *Conn, d event.Dir, at int64, b []byte, missing int) {
	a.ensure(c)
	h := &c.half[d]
	if len(b) > 0 {
		h.fed = h.next
		a.trails.keep(h, h.next, b)
		h.next += uint32(len(b))
		a.counts.Bytes += uint64(len(b))
		c.stream.Feed(d, c.clock(at), b)
	}
	if missing > 0 {
		a.counts.Truncated++
		c.stream.Truncated()
		a.gap(c, d, at, uint32(missing))
	}
}

func (a *Shard) gap(c *Conn, d event.Dir, at int64, n uint32) {
	a.ensure(c)
	a.counts.Gaps++
	a.counts.Missing += uint64(n)
	h := &c.half[d]
	h.next += n
	h.inTurn()
	c.stream.Gap(d, c.clock(at), int64(n))
}

// gapTo declares everything before seq missing: n bytes, or an unknown number
// when seq lies behind.
func (a *Shard) gapTo(c *Conn, d event.Dir, seq uint32) {
	h := &c.half[d]
	a.drop(h)
	if n := int32(seq - h.next); n > 0 {
		a.gap(c, d, a.now, uint32(n))
		return
	}
	a.ensure(c)
	a.counts.Gaps++
	h.next = seq
	c.stream.Gap(d, c.clock(a.now), 0)
}

func (a *Shard) ensure(c *Conn) {
	if c.stream == nil {
		c.stream = a.open(c)
	}
}

// reset closes the connection when a receiver would have believed the RST
// (RFC 5961, section 3.2, but for what the capture may have missed).
func (a *Shard) reset(c *Conn, d event.Dir, seq uint32) {
	r := &Reset{By: d, Believed: true, Sequence: c.half[d].place(seq, uint32(a.limits.Bytes))}
	if r.Sequence == "outside" {
		r.Believed = false
		if c.stream != nil && !c.doubted {
			c.doubted = true
			c.stream.Reset(c.clock(a.now), r)
		}
		return
	}
	c.reset, c.resetBy = r, d
	a.shut(c)
}

// place says in a word where the number of a RST lies.
func (h *half) place(seq, window uint32) string {
	switch ahead := seq - h.next; {
	case h.known != sure:
		return "unknown"
	case ahead == 0:
		return "exact"
	case seq == 0:
		return "zero"
	case ahead <= window:
		return "ahead"
	}
	return "outside"
}

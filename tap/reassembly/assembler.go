// Package reassembly puts TCP segments in order. It follows every connection
// of a capture on the capture's own clock, hands over the bytes of both
// directions as their receivers got them, and says where bytes are missing.
//
// Segments in order are handed over as they lie in the packet. One that came
// too early is copied and waits; so does one that acknowledges bytes of the
// other direction which have not come yet, so that an answer is never handed
// over before its request. Waiting is bounded in segments, bytes and time; when
// a bound is reached the missing bytes are declared a gap.
package reassembly

import (
	"cmp"
	"slices"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/packet"
)

// Limits bound what connections may hold. Times are nanoseconds of the
// capture's clock.
type Limits struct {
	Segments    int    // that wait in one direction
	Bytes       int    // that wait in one direction
	Total       int    // bytes that wait in all connections
	Wait        int64  // for a missing segment
	AckWait     int64  // for one whose receiver has acknowledged it
	LossWait    int64  // for one that its receiver says it lacks too: it will be sent again
	LossFactor  int    // by which more segments and bytes may wait for such a one
	Jump        uint32 // bytes that a sequence number may be off and be believed at once
	Connections int    // followed at a time; the longest silent makes room
	Idle        int64  // after which a silent connection is taken to be over
	Linger      int64  // during which a closed connection's late segments are known as such
}

// DefaultLimits wait for 256 segments, 1 MiB or 200 ms; for what was lost
// on the network and not by the capture, for eight times as much and a minute.
func DefaultLimits() Limits {
	return Limits{
		Segments:    256,
		Bytes:       1 << 20,
		Total:       64 << 20,
		Wait:        200e6,
		AckWait:     20e6,
		LossWait:    60e9,
		LossFactor:  8,
		Jump:        16 << 20,
		Connections: 100_000,
		Idle:        3600e9,
		Linger:      120e9,
	}
}

// Stream takes one connection's bytes. What it is fed is valid only during the
// call. Times never go backwards.
type Stream interface {
	Feed(d event.Dir, at int64, b []byte)
	Gap(d event.Dir, at, n int64) // n bytes were never seen, 0 an unknown number
	End(d event.Dir, at int64)    // FIN
	Close(at int64)

	Truncated()                      // the gap to come is one of the capture's snapshot length
	Ambiguous(d event.Dir, at int64) // two segments told different bytes for one place
}

// Counts say what was met.
type Counts struct {
	Connections uint64
	Segments    uint64
	Bytes       uint64 // handed over
	Gaps        uint64
	Missing     uint64 // bytes of gaps of known length
	Early       uint64 // segments that had to wait
	Again       uint64 // segments, or parts, that had been handed over before
	Stray       uint64 // segments whose numbers are far from the connection's
	Truncated   uint64 // segments that the snapshot length cut
	Evicted     uint64 // connections that had to make room
}

const numRecent = 256

// Assembler follows connections. It is for one goroutine.
type Assembler struct {
	Counts Counts

	limits  Limits
	open    func(*Conn) Stream
	conns   map[key]*Conn
	recent  [numRecent]*Conn // see slot
	live    list             // longest silent first
	dead    list             // longest dead first
	waiting list             // with a hole, oldest hole first
	waits   int              // bytes that wait in all connections
	now     int64
	spare   spare
}

// New makes an assembler; open is called for every connection that carries
// bytes, before its first.
func New(l Limits, open func(*Conn) Stream) *Assembler {
	return &Assembler{limits: l, open: open, conns: make(map[key]*Conn)}
}

// Segment takes the next segment of the capture, at a time that is not before
// the last one's.
func (a *Assembler) Segment(at int64, s *packet.Segment) {
	a.Counts.Segments++
	a.Advance(at)
	c := a.find(s)
	if c == nil {
		return
	}
	a.touch(c)
	d := c.direction(s)
	if c.stream == nil && c.closed && !a.revive(c, d, s) {
		return
	}
	a.segment(c, d, s)
}

// Flush ends every connection, in the order of their numbers: the capture is
// over.
func (a *Assembler) Flush() {
	rest := make([]*Conn, 0, len(a.conns))
	for _, c := range a.conns {
		rest = append(rest, c)
	}
	slices.SortFunc(rest, func(x, y *Conn) int { return cmp.Compare(x.Number, y.Number) })
	for _, c := range rest {
		a.abandon(c)
		a.remove(c)
	}
}

// Advance moves the clock on, and with it everything that waits for a time. It
// is for when no segment comes; one that comes later is taken to be of that
// time at least.
func (a *Assembler) Advance(at int64) {
	if at > a.now {
		a.now = at
	}
	for c := a.waiting.head; c != nil && a.now-c.holeSince >= a.limits.Wait; c = a.waiting.head {
		a.overdue(c)
	}
	for c := a.live.head; c != nil && a.now-c.seen >= a.limits.Idle; c = a.live.head {
		a.abandon(c)
		a.remove(c)
	}
	for c := a.dead.head; c != nil && a.now-c.seen >= a.limits.Linger; c = a.dead.head {
		a.remove(c)
	}
}

// segment is the heart: s belongs to c, in direction d.
func (a *Assembler) segment(c *Conn, d event.Dir, s *packet.Segment) {
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
func (a *Assembler) inOrder(h, o *half, s *packet.Segment, seq uint32) bool {
	return seq == h.next && h.known == sure && !h.ended && len(h.queue) == 0 && s.Flags&packet.FIN == 0 &&
		!(s.Flags&packet.ACK != 0 && o.lacks(s.Ack, &a.limits))
}

// irregular takes a segment that cannot simply be handed over.
func (a *Assembler) irregular(c *Conn, d event.Dir, s *packet.Segment, seq uint32) {
	h := &c.half[d]
	if h.stray(seq, uint32(len(s.Payload)+s.Missing), a.limits.Jump) {
		a.Counts.Stray++
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
func (a *Assembler) deliver(c *Conn, d event.Dir, at int64, b []byte, missing int) {
	a.ensure(c)
	h := &c.half[d]
	if len(b) > 0 {
		h.fed = h.next
		h.next += uint32(len(b))
		a.Counts.Bytes += uint64(len(b))
		c.stream.Feed(d, c.clock(at), b)
	}
	if missing > 0 {
		a.Counts.Truncated++
		c.stream.Truncated()
		a.gap(c, d, at, uint32(missing))
	}
}

func (a *Assembler) gap(c *Conn, d event.Dir, at int64, n uint32) {
	a.ensure(c)
	a.Counts.Gaps++
	a.Counts.Missing += uint64(n)
	h := &c.half[d]
	h.next += n
	c.stream.Gap(d, c.clock(at), int64(n))
}

// gapTo declares everything before seq missing: n bytes, or an unknown number
// when seq lies behind.
func (a *Assembler) gapTo(c *Conn, d event.Dir, seq uint32) {
	h := &c.half[d]
	a.drop(h)
	if n := int32(seq - h.next); n > 0 {
		a.gap(c, d, a.now, uint32(n))
		return
	}
	a.ensure(c)
	a.Counts.Gaps++
	h.next = seq
	c.stream.Gap(d, c.clock(a.now), 0)
}

func (a *Assembler) ensure(c *Conn) {
	if c.stream == nil {
		c.stream = a.open(c)
	}
}

// reset closes the connection when a receiver would have believed the RST
// (RFC 5961, section 3.2, but for what the capture may have missed).
func (a *Assembler) reset(c *Conn, d event.Dir, seq uint32) {
	if h := &c.half[d]; h.known == sure {
		if ahead := int32(seq - h.next); ahead < 0 && seq != 0 || ahead > int32(a.limits.Bytes) {
			return
		}
	}
	a.shut(c)
	c.resetBy = d
}

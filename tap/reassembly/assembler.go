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
	Trails      int    // bytes by which retransmissions are compared with what was handed over, of all connections
	Overlaps    int    // of a connection that are told
	LastWins    bool   // where segments that wait overlap, the later one's bytes count
}

// DefaultLimits wait for 256 segments, 1 MiB or 200 ms; for what was lost
// on the network and not by the capture, for eight times as much and a minute.
func DefaultLimits() Limits {
	return Limits{
		Segments:    256,
		Bytes:       1 << 20,
		Total:       128 << 20,
		Wait:        200e6,
		AckWait:     20e6,
		LossWait:    60e9,
		LossFactor:  8,
		Jump:        16 << 20,
		Connections: 40_000,
		Idle:        3600e9,
		Linger:      120e9,
		Trails:      16 << 20,
		Overlaps:    4,
	}
}

// Stream takes one connection's bytes. What it is fed is valid only during the
// call. Times never go backwards.
type Stream interface {
	Feed(d event.Dir, at int64, b []byte)
	Gap(d event.Dir, at, n int64) // n bytes were never seen, 0 an unknown number
	End(d event.Dir, at int64)    // FIN
	Close(at int64)

	Truncated()                               // the gap to come is one of the capture's snapshot length
	Reordered(d event.Dir, seq uint32, n int) // the n bytes to come, from seq on, did not come in their turn
	Overlap(at int64, o *Overlap)             // two segments told different bytes for one place
	Reset(at int64, r *Reset)                 // a RST; where it is believed, Close follows
}

// Reset is a RST that was met.
type Reset struct {
	By       event.Dir // the direction in which it went
	Believed bool
	Sequence string // its number: "exact", "ahead" of the next byte by no more than may wait, "zero", "unknown" what is next, or "outside"
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
	Overlaps    uint64 // segments whose bytes differ from those of another
}

// Add adds what another met.
func (n *Counts) Add(o *Counts) {
	n.Connections += o.Connections
	n.Segments += o.Segments
	n.Bytes += o.Bytes
	n.Gaps += o.Gaps
	n.Missing += o.Missing
	n.Early += o.Early
	n.Again += o.Again
	n.Stray += o.Stray
	n.Truncated += o.Truncated
	n.Evicted += o.Evicted
	n.Overlaps += o.Overlaps
}

// Assembler follows connections: a Tracker and one Shard. It is for one
// goroutine.
type Assembler struct {
	Counts  Counts
	tracker Tracker
	shard   Shard
}

// New makes an assembler; open is called for every connection that carries
// bytes, before its first.
func New(l Limits, open func(*Conn) Stream) *Assembler {
	a := new(Assembler)
	a.shard = newShard(l, &a.Counts, open)
	a.tracker = newTracker(l, &a.Counts, a.shard.Over)
	return a
}

// Segment takes the next segment of the capture, at a time that is not before
// the last one's.
func (a *Assembler) Segment(at int64, s *packet.Segment) {
	c, d := a.tracker.Find(at, s)
	a.shard.Segment(at, c, d, s)
}

// Advance moves the clock on, and with it everything that waits for a time. It
// is for when no segment comes; one that comes later is taken to be of that
// time at least.
func (a *Assembler) Advance(at int64) {
	a.tracker.Advance(at)
	a.shard.Advance(at)
}

// Flush ends every connection, in the order of their numbers: the capture is
// over.
func (a *Assembler) Flush() { a.tracker.Flush() }

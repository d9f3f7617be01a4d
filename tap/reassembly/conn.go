package reassembly

import (
	"net/netip"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/packet"
)

// Conn is one connection. Its exported fields are fixed when its stream is
// opened.
type Conn struct {
	Client, Server netip.AddrPort
	Number         int64 // from 0, in order of first packets
	MidStream      bool  // no SYN was seen

	track     track // the Tracker's; the rest is the Shard's
	half      [2]half
	stream    Stream
	told      int64 // latest time that the stream was told
	holeFirst int64 // since when the bytes at hand are missing
	holeSince int64 // since when they have been waited for once more
	closed    bool
	resetBy   event.Dir // who sent the RST that closed it
	waits     bool
	overlaps  int
	reset     *Reset // that closed it
	doubted   bool   // a RST that nobody believes was told
	unwatched bool
	links     [numLinks]link
}

// Position is the sequence number of the byte at offset off of the Feed in
// direction d that is under way.
func (c *Conn) Position(d event.Dir, off int) uint32 { return c.half[d].fed + uint32(off) }

// Unwatched reports, while the stream is being closed, whether nothing but the
// watching ends: the capture is over, the connection was silent for too long or
// had to make room.
func (c *Conn) Unwatched() bool { return c.unwatched }

// clock is a time for the stream, which never goes back.
func (c *Conn) clock(at int64) int64 {
	c.told = max(c.told, at)
	return c.told
}

func (c *Conn) acknowledgedHole(l *Limits) bool {
	return c.half[0].lacks(c.half[0].acked, l) || c.half[1].lacks(c.half[1].acked, l)
}

// revive goes on with a connection that a RST ended, when the side that sent
// the RST goes on exactly where it was: somebody else made the RST up.
func (a *Shard) revive(c *Conn, d event.Dir, s *packet.Segment) bool {
	h := &c.half[d]
	if d != c.resetBy || len(s.Payload) == 0 || h.ended || h.known != sure || s.Seq != h.next || s.Flags&packet.RST != 0 {
		return false
	}
	c.closed, c.MidStream, c.reset = false, true, nil
	return true
}

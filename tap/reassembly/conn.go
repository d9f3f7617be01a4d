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

	key       key
	client    packet.Endpoint
	server    packet.Endpoint
	half      [2]half
	stream    Stream
	seen      int64 // time of the latest segment
	told      int64 // latest time that the stream was told
	holeFirst int64 // since when the bytes at hand are missing
	holeSince int64 // since when they have been waited for once more
	closed    bool
	resetBy   event.Dir // who sent the RST that closed it
	waits     bool
	ambiguous bool
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

func (c *Conn) direction(s *packet.Segment) event.Dir {
	if s.Src == c.client {
		return event.ToServer
	}
	return event.ToClient
}

func (c *Conn) acknowledgedHole(l *Limits) bool {
	return c.half[0].lacks(c.half[0].acked, l) || c.half[1].lacks(c.half[1].acked, l)
}

// key is a pair of endpoints in a fixed order.
type key struct{ lo, hi packet.Endpoint }

func keyOf(s *packet.Segment) key {
	if less(&s.Src, &s.Dst) {
		return key{s.Src, s.Dst}
	}
	return key{s.Dst, s.Src}
}

func less(x, y *packet.Endpoint) bool {
	if x.Port != y.Port {
		return x.Port < y.Port
	}
	for i := range x.Addr {
		if x.Addr[i] != y.Addr[i] {
			return x.Addr[i] < y.Addr[i]
		}
	}
	return false
}

// find gives the connection of s, a new one where s begins one.
func (a *Assembler) find(s *packet.Segment) *Conn {
	slot := a.slot(&s.Src, &s.Dst)
	c := *slot
	if c == nil || !c.joins(s) {
		c = a.conns[keyOf(s)]
	}
	if c != nil && c.reused(s) {
		a.shut(c)
		a.remove(c)
		c = nil
	}
	if c == nil {
		c = a.add(keyOf(s), s)
	}
	*slot = c
	return c
}

// slot is where the latest connection between two ports, and others of the
// same remainder, is found without a look into the map.
func (a *Assembler) slot(x, y *packet.Endpoint) **Conn {
	return &a.recent[(x.Port^y.Port)%numRecent]
}

// joins reports whether s is of the connection.
func (c *Conn) joins(s *packet.Segment) bool {
	return s.Src == c.client && s.Dst == c.server || s.Src == c.server && s.Dst == c.client
}

// reused reports whether s is the SYN of a new connection between the same
// ports: one with another initial number than the connection's.
func (c *Conn) reused(s *packet.Segment) bool {
	if s.Flags&(packet.SYN|packet.RST) != packet.SYN {
		return false
	}
	h := &c.half[c.direction(s)]
	if h.known != sure || s.Flags&packet.ACK != 0 && !c.closed {
		return c.closed
	}
	return h.first != s.Seq+1
}

// revive goes on with a connection that a RST ended, when the side that sent
// the RST goes on exactly where it was: somebody else made the RST up.
func (a *Assembler) revive(c *Conn, d event.Dir, s *packet.Segment) bool {
	h := &c.half[d]
	if d != c.resetBy || len(s.Payload) == 0 || h.ended || h.known != sure || s.Seq != h.next || s.Flags&packet.RST != 0 {
		return false
	}
	a.dead.remove(c, linkLive)
	a.live.add(c, linkLive)
	c.closed, c.MidStream = false, true
	return true
}

func (a *Assembler) add(k key, s *packet.Segment) *Conn {
	for len(a.conns) >= max(1, a.limits.Connections) {
		a.evict()
	}
	c := new(Conn)
	c.key, c.client = k, clientOf(s)
	c.Number = int64(a.Counts.Connections)
	c.MidStream = s.Flags&packet.SYN == 0
	c.server = k.lo
	if c.server == c.client {
		c.server = k.hi
	}
	c.Client, c.Server = c.client.AddrPort(), c.server.AddrPort()
	a.Counts.Connections++
	a.conns[k] = c
	a.live.add(c, linkLive)
	return c
}

// clientOf tells who opened the connection: who sent a SYN, or got one back;
// else who has the port that is less like a server's.
func clientOf(s *packet.Segment) packet.Endpoint {
	switch {
	case s.Flags&(packet.SYN|packet.ACK) == packet.SYN:
		return s.Src
	case s.Flags&(packet.SYN|packet.ACK) == packet.SYN|packet.ACK:
		return s.Dst
	}
	if serverLike(s.Src.Port) > serverLike(s.Dst.Port) {
		return s.Dst
	}
	return s.Src
}

// serverLike ranks ports by how likely a server listens there. Between two of
// the same kind the lower one is the server's.
func serverLike(port uint16) int {
	rank := 65535 - int(port)
	switch port {
	case 80, 443, 3000, 5000, 8000, 8008, 8080, 8081, 8088, 8443, 8888, 9000, 9090, 27017, 27018, 27019, 50051:
		rank += 1 << 17
	}
	if port < 1024 {
		rank += 1 << 16
	}
	return rank
}

// touch says that c is not silent. The list is only kept to the second.
func (a *Assembler) touch(c *Conn) {
	const second = 1e9
	if c.closed {
		return
	}
	if a.now-c.seen >= second {
		a.live.remove(c, linkLive)
		a.live.add(c, linkLive)
		c.seen = a.now
	}
}

// bury keeps c for a while, so that its late segments begin no new connection.
func (a *Assembler) bury(c *Conn) {
	a.watch(c)
	if c.closed {
		return
	}
	c.closed, c.seen = true, a.now
	a.live.remove(c, linkLive)
	a.dead.add(c, linkLive)
}

func (a *Assembler) evict() {
	c := a.dead.head
	if c == nil {
		c = a.live.head
		a.Counts.Evicted++
		a.abandon(c)
	}
	a.remove(c)
}

// remove forgets a connection that was shut.
func (a *Assembler) remove(c *Conn) {
	if c.waits {
		a.waiting.remove(c, linkWaiting)
	}
	if c.closed {
		a.dead.remove(c, linkLive)
	} else {
		a.live.remove(c, linkLive)
	}
	delete(a.conns, c.key)
	if slot := a.slot(&c.client, &c.server); *slot == c {
		*slot = nil
	}
}

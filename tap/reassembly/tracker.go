package reassembly

import (
	"cmp"
	"slices"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/packet"
)

// Tracker tells connections apart and numbers them. It looks at headers only,
// so that whoever puts segments in order may do so later and elsewhere. It is
// for one goroutine.
type Tracker struct {
	counts *Counts
	limits Limits
	over   func(at int64, c *Conn, unwatched bool)
	conns  map[key]*Conn
	recent [numRecent]*Conn // see slot
	live   list             // longest silent first
	dead   list             // longest over first
	now    int64
}

const numRecent = 1 << 10

// track is what a Tracker knows of a connection.
type track struct {
	key    key
	client packet.Endpoint
	server packet.Endpoint
	began  int64
	seen   int64     // time of the latest segment, to the second; of the end for one that is over
	first  [2]uint32 // number of the first byte, where known
	known  [2]bool
	fin    [2]bool
	rst    bool
	mid    bool // no SYN was seen
	over   bool // ended by both sides or by a RST
}

// NewTracker makes a tracker. over is told of every connection that ends, at
// the time when it did: a new one took its place, or nothing but the watching
// ends, because it has been silent for too long, had to make room, or the
// capture is over.
func NewTracker(l Limits, counts *Counts, over func(at int64, c *Conn, unwatched bool)) *Tracker {
	t := newTracker(l, counts, over)
	return &t
}

func newTracker(l Limits, counts *Counts, over func(at int64, c *Conn, unwatched bool)) Tracker {
	return Tracker{limits: l, counts: counts, over: over, conns: make(map[key]*Conn)}
}

// Find gives the connection of s, a new one where s begins one, and the
// direction in which s goes. Times never go backwards.
func (t *Tracker) Find(at int64, s *packet.Segment) (*Conn, event.Dir) {
	t.Advance(at)
	slot := t.slot(&s.Src, &s.Dst)
	c := *slot
	if c == nil || !c.joins(s) {
		c = t.conns[keyOf(s)]
	}
	if c != nil && t.reused(c, s) {
		t.end(at, c, false)
		c = nil
	}
	if c == nil {
		c = t.add(keyOf(s), s)
	}
	*slot = c
	d := c.direction(s)
	t.note(c, d, s)
	return c, d
}

// Advance moves the clock on: connections that were silent for too long end.
func (t *Tracker) Advance(at int64) {
	t.now = max(t.now, at)
	for c := t.live.head; c != nil && t.now-c.track.seen >= t.limits.Idle; c = t.live.head {
		t.end(c.track.seen+t.limits.Idle, c, true)
	}
	for c := t.dead.head; c != nil && t.now-c.track.seen >= t.limits.Linger; c = t.dead.head {
		t.end(c.track.seen+t.limits.Linger, c, true)
	}
}

// Flush ends every connection, in the order of their numbers.
func (t *Tracker) Flush() {
	for _, c := range t.Open() {
		t.end(t.now, c, true)
	}
}

// Open are the connections that have not ended, in the order of their numbers.
func (t *Tracker) Open() []*Conn {
	rest := make([]*Conn, 0, len(t.conns))
	for _, c := range t.conns {
		rest = append(rest, c)
	}
	slices.SortFunc(rest, func(x, y *Conn) int { return cmp.Compare(x.Number, y.Number) })
	return rest
}

// note learns what s says of its connection's beginning and end.
func (t *Tracker) note(c *Conn, d event.Dir, s *packet.Segment) {
	k := &c.track
	n := len(s.Payload) + s.Missing
	switch {
	case k.known[d]:
	case s.Flags&packet.SYN != 0:
		k.first[d], k.known[d] = s.Seq+1, true
	case n > 1 || s.Flags&packet.FIN != 0: // one byte may be a keep-alive probe
		k.first[d], k.known[d] = s.Seq, true
	}
	if s.Flags&packet.FIN != 0 {
		k.fin[d] = true
	}
	if s.Flags&packet.RST != 0 {
		k.rst = true
	} else if n > 0 {
		k.rst = false // whoever goes on does not believe it
	}
	t.touch(c, k.rst || k.fin[0] && k.fin[1])
}

// touch says that c is not silent, and whether it is over. The list of the
// living is only kept to the second. What is over stays known for a while, so
// that its late segments begin no new connection.
func (t *Tracker) touch(c *Conn, over bool) {
	const second = 1e9
	k := &c.track
	if over == k.over && (over || t.now-k.seen < second) {
		return
	}
	t.listOf(c).remove(c, linkLive)
	k.over, k.seen = over, t.now
	t.listOf(c).add(c, linkLive)
}

func (t *Tracker) listOf(c *Conn) *list {
	if c.track.over {
		return &t.dead
	}
	return &t.live
}

// reused reports whether s is the SYN of a new connection between the same
// ports: one with another initial number than the connection's.
func (t *Tracker) reused(c *Conn, s *packet.Segment) bool {
	if s.Flags&(packet.SYN|packet.RST) != packet.SYN {
		return false
	}
	k, d := &c.track, c.direction(s)
	if !k.known[d] || s.Flags&packet.ACK != 0 && !k.over {
		return k.over
	}
	ahead := k.first[d] - (s.Seq + 1)
	if ahead > 0 && k.mid && ahead <= uint32(t.limits.Bytes) && t.now-k.began <= t.limits.Wait {
		return false // the SYN was overtaken by the first bytes
	}
	return ahead != 0
}

func (t *Tracker) add(k key, s *packet.Segment) *Conn {
	for len(t.conns) >= max(1, t.limits.Connections) {
		t.evict()
	}
	c := new(Conn)
	c.track = track{key: k, client: clientOf(s), server: k.lo, began: t.now, seen: t.now}
	if c.track.server == c.track.client {
		c.track.server = k.hi
	}
	c.Number = int64(t.counts.Connections)
	c.MidStream = s.Flags&packet.SYN == 0
	c.track.mid = c.MidStream
	c.Client, c.Server = c.track.client.AddrPort(), c.track.server.AddrPort()
	t.counts.Connections++
	t.conns[k] = c
	t.live.add(c, linkLive)
	return c
}

func (t *Tracker) evict() {
	c := t.dead.head
	if c == nil {
		c = t.live.head
		t.counts.Evicted++
	}
	t.end(t.now, c, true)
}

// end forgets a connection.
func (t *Tracker) end(at int64, c *Conn, unwatched bool) {
	t.listOf(c).remove(c, linkLive)
	delete(t.conns, c.track.key)
	if slot := t.slot(&c.track.client, &c.track.server); *slot == c {
		*slot = nil
	}
	t.over(at, c, unwatched)
}

// slot is where the latest connection between two ports, and others of the
// same remainder, is found without a look into the map.
func (t *Tracker) slot(x, y *packet.Endpoint) **Conn {
	return &t.recent[(x.Port^y.Port)%numRecent]
}

// joins reports whether s is of the connection.
func (c *Conn) joins(s *packet.Segment) bool {
	k := &c.track
	return s.Src == k.client && s.Dst == k.server || s.Src == k.server && s.Dst == k.client
}

func (c *Conn) direction(s *packet.Segment) event.Dir {
	if s.Src == c.track.client {
		return event.ToServer
	}
	return event.ToClient
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

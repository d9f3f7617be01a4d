package h2

import (
	"fmt"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// clientConn is a connection to a host.
type clientConn struct {
	conn
	dialer *Dialer
	pool   *pool
	up     *upstream.Conn
	limits decode.Limits
	scheme []byte

	slots  int    // attempts that use it, opened or not; guarded by conn.mu, as all below
	served int    // streams opened
	nextID uint32 // of the next stream
	uses   int    // attempts it has been reserved for
	full   bool   // it takes no more of them
	left   bool   // the host has said so, and takes no more streams
}

// reserve takes a slot for one more attempt; false when there is none.
func (c *clientConn) reserve() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if int64(c.nextID)+2*int64(c.slots) > wire.LargestStream {
		c.full = true
	}
	if c.full || c.left || c.fate != nil || c.closing || c.slots >= c.most() {
		return false
	}
	c.slots++
	c.quiet = 0
	c.used()
	return true
}

// used counts an attempt. Locked.
func (c *clientConn) used() {
	if c.uses++; c.pool.o.MaxUses > 0 && c.uses >= c.pool.o.MaxUses {
		c.full = true
	}
}

// most is how many streams may be open at once. Locked.
func (c *clientConn) most() int {
	return min(c.pool.o.MaxStreams, int(min(c.peer.maxStreams, 1<<30)))
}

// attempt makes an attempt of a reserved slot.
func (c *clientConn) attempt() *attempt {
	a := c.dialer.attempts.Get().(*attempt)
	a.link, a.c = c, &c.conn
	a.r.L, a.w.L = &c.mu, &c.mu
	c.mu.Lock()
	a.reused = c.served > 0
	c.mu.Unlock()
	return a
}

// spareSlot ends a connection that takes no more attempts once it has none. Locked.
func (c *clientConn) spareSlot() {
	if c.slots > 0 {
		return
	}
	c.quiet = time.Now().UnixNano()
	if c.full || c.left || c.dialer.draining.Load() {
		c.bye()
		return
	}
	c.armIdle()
}

// retire lets the connection end with the attempts that it has.
func (c *clientConn) retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.full = true
	c.spareSlot()
}

// bye ends the connection in order. Locked.
func (c *clientConn) bye() {
	if c.fate != nil || c.closing {
		return
	}
	c.full = true
	c.farewell(0, wire.NoError, "")
	c.shutWhenWritten()
}

// section implements side: a head of an answer, or its trailers.
func (c *clientConn) section(id uint32, end bool, x *wire.Section, large bool) *wire.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.guards.useful()
	s := c.streams.get(id)
	if s == nil || s.recvEnd || s.closed() {
		return c.stray(wire.Header{Type: wire.FrameHeaders, Stream: id}, s)
	}
	a := s.user.(*attempt)
	s.received += int64(c.size)
	if s.beganAt == 0 {
		s.beganAt = c.now
	}
	if a.final {
		return c.takeTrailers(s, end, x, large)
	}
	reason := "the answer's head is larger than allowed"
	if a.interim++; !large {
		reason = a.answered(x, end)
	}
	if reason == "" && !a.final && a.interim > c.o.Interim {
		reason = "too many interim answers"
	}
	if reason != "" {
		return &wire.Error{Code: wire.ProtocolError, Stream: id, Reason: reason}
	}
	if end {
		s.endRecv()
	}
	c.touch(s)
	return nil
}

// begin implements side: a host begins nothing.
func (c *clientConn) begin() {}

// goAway implements side: streams that the host has not taken up fail as unsent
// (RFC 9113, 6.8).
func (c *clientConn) goAway(last uint32, code wire.Code) {
	c.left = true
	for _, s := range c.streams.slots {
		if s == nil || s.id <= last || s.closed() {
			continue
		}
		s.unsent = true
		s.close(byPeer)
		s.fail(fmt.Errorf("h2: the host goes away (%s): %w", code, relay.ErrClosed))
		c.touch(s)
	}
	c.spareSlot()
}

// idle implements side.
func (c *clientConn) idle(id uint32) bool { return id >= c.nextID || id%2 == 0 }

// spare implements side: there may be room for one more attempt.
func (c *clientConn) spare() { c.pool.wake() }

// deadline implements side.
func (c *clientConn) deadline() int64 { return c.alive.due() }

// look implements side.
func (c *clientConn) look(now int64) { c.alive.look(&c.conn, now) }

// ponged implements side.
func (c *clientConn) ponged(data [8]byte) { c.alive.ponged(data, c.now) }

// idled implements side.
func (c *clientConn) idled() {
	if c.slots == 0 {
		c.bye()
	}
}

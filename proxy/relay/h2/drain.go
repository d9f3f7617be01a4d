package h2

import (
	"time"

	"github.com/pitot-io/pitot/decode/http2/wire"
)

// drain begins to end the connection (RFC 9113, 6.8): the first GOAWAY asks for
// no more streams and takes those that are on their way, the second, when the
// client has read the first, names the last.
func (c *serverConn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.part()
}

// relieve is relay.Watched's: an overloaded proxy parts from who was served once.
func (c *serverConn) relieve(int64) {
	if !c.srv.engine.Draining() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lastSeen != 0 {
		c.part()
	}
}

// part is drain for who has the lock.
func (c *serverConn) part() {
	if c.going != staying || c.fate != nil {
		return
	}
	c.going = announced
	c.room(64)
	c.out = wire.AppendGoAway(c.out, wire.LargestStream, wire.NoError, "")
	c.out = wire.AppendPing(c.out, false, drained)
	c.tail = nil
	c.goAwayAt = time.Now().UnixNano() + int64(c.o.Grace)
	c.arm(c.goAwayAt)
	c.kick()
}

// drained is the PING after the first GOAWAY.
var drained = [8]byte{'d', 'r', 'a', 'i', 'n', 'e', 'd', '?'}

// decide sends the second GOAWAY. Locked.
func (c *serverConn) decide() {
	if c.going == decided {
		return
	}
	c.going, c.goAwayAt = decided, 0
	c.room(32)
	c.out = wire.AppendGoAway(c.out, c.lastSeen, wire.NoError, "")
	c.tail = nil
	c.spare()
	c.kick()
}

// ponged implements side.
func (c *serverConn) ponged(data [8]byte) {
	if c.going == announced && data == drained {
		c.decide()
	}
	c.alive.ponged(data, c.now)
}

// deadline implements side.
func (c *serverConn) deadline() int64 {
	at := c.alive.due()
	if at == 0 || c.goAwayAt != 0 && c.goAwayAt < at {
		return c.goAwayAt
	}
	return at
}

// look implements side.
func (c *serverConn) look(now int64) {
	if c.goAwayAt != 0 && now >= c.goAwayAt {
		c.decide()
	}
	c.alive.look(&c.conn, now)
}

// idled implements side: nothing was asked for long.
func (c *serverConn) idled() {
	c.srv.engine.Stats().IdleTimeout()
	c.decide()
}

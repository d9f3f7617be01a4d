package h2

import "github.com/pitot-io/pitot/decode/http2/wire"

// keepalive asks a silent peer whether it is still there. The connection's lock
// guards it.
type keepalive struct {
	o      *Limits
	pinged int64 // when the PING was sent that is not answered yet; 0 without one
	heard  int64 // of the last look at what was read
}

// due is when look is to be called next; 0 for never.
func (k *keepalive) due() int64 {
	switch {
	case k.o.Ping <= 0:
		return 0
	case k.pinged != 0:
		return k.pinged + int64(k.o.PingTimeout)
	}
	return k.heard + int64(k.o.Ping)
}

// look does what is due: it asks, or ends c, whose peer has not answered.
func (k *keepalive) look(c *conn, now int64) {
	if k.o.Ping <= 0 {
		return
	}
	if k.pinged != 0 {
		if now-k.pinged >= int64(k.o.PingTimeout) {
			c.late(wire.NoError, "PING is not answered")
		}
		return
	}
	if k.heard = max(k.heard, c.readAt); now-k.heard < int64(k.o.Ping) {
		return
	}
	k.pinged = now
	c.room(32)
	c.out = wire.AppendPing(c.out, false, stillThere)
	c.tail = nil
	c.kick()
}

var stillThere = [8]byte{'t', 'h', 'e', 'r', 'e', '?'}

// ponged takes the answer to a PING, now.
func (k *keepalive) ponged(data [8]byte, now int64) {
	if data == stillThere {
		k.pinged, k.heard = 0, now
	}
}

package h2

import "github.com/pitot-io/pitot/decode/http2/wire"

// bucket holds tokens, of which time gives one back after the other.
type bucket struct {
	left, most int
	every      int64 // ns
	at         int64 // until when time has given
}

func (b *bucket) take(now int64) bool {
	if n := (now - b.at) / b.every; n > 0 {
		b.give(int(min(n, int64(b.most))))
		b.at += n * b.every
	}
	b.left--
	return b.left >= 0
}

func (b *bucket) give(n int) { b.left = min(b.left+n, b.most) }

// guards end connections that make more work than they are worth.
type guards struct {
	resets  bucket
	chatter bucket
	empty   int // frames in a row that carry nothing
	updates int // WINDOW_UPDATE frames that the peer may still send for what it was sent
}

func (g *guards) init(o *Limits, now int64) {
	g.resets = bucket{o.Resets, o.Resets, int64(o.ResetsEvery), now}
	g.chatter = bucket{o.Chatter, o.Chatter, int64(o.ChatterEvery), now}
}

// What frames that carry something give back to Chatter: a receiver says
// something about most DATA frames, and about every stream.
const (
	streamsWorth = 4
	dataWorth    = 4
)

// updateWorth is how many bytes sent to a peer let it open windows once more.
// Receivers do that every few KiB, for the stream and for the connection,
// however large our frames are, and a long time after we sent them.
const updateWorth = 512

// sent notes n bytes of DATA on their way to the peer.
func (g *guards) sent(n int) { g.updates += 2 + n/updateWorth }

// opened counts a WINDOW_UPDATE. Locked.
func (c *conn) opened() *wire.Error {
	if c.guards.updates > 0 {
		c.guards.updates--
		return nil
	}
	return c.chat()
}

// useful notes a frame that carries something.
func (g *guards) useful() {
	g.empty = 0
	g.chatter.give(streamsWorth)
}

func calm(reason string) *wire.Error {
	return &wire.Error{Code: wire.EnhanceYourCalm, Reason: reason}
}

// chatter counts a frame about the connection itself.
func (c *conn) chatter() *wire.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.chat()
}

// chat is chatter for who has the lock.
func (c *conn) chat() *wire.Error {
	if !c.guards.chatter.take(c.now) {
		return calm("too many frames that carry nothing")
	}
	return nil
}

// brokeOff counts a stream that the peer reset, or that is reset for what the
// peer sent. Locked.
func (c *conn) brokeOff() *wire.Error {
	if !c.guards.resets.take(c.now) {
		return calm("too many streams are broken off")
	}
	return nil
}

// carried counts a DATA frame by what it carries.
func (c *conn) carried(n int, end bool) *wire.Error {
	if n > 0 || end {
		c.guards.empty = 0
		c.guards.chatter.give(dataWorth)
		return nil
	}
	if c.guards.empty++; c.guards.empty > c.o.Empty {
		return calm("too many empty frames in a row")
	}
	return nil
}

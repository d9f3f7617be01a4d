package mongo

import (
	"fmt"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// conn follows one connection.
type conn struct {
	decode.Conn
	shared *shared
	half   [2]half

	waiting []waiting // requests without their answer, oldest first
	unsure  bool      // requests may have been missed: joined late, or a gap

	application, driver string  // of the handshake
	greeted             bool    // a hello was answered: its facts were told
	lost                [2]bool // told already
	told                told    // by Inspect
}

// waiting is a request that waits for the message which answers id.
type waiting struct {
	id int32
	x  *exchange
}

// message is one message, or what is there of it.
type message struct {
	header            // opcode is the original one when it came compressed
	body       []byte // after the header, valid during the call
	cut        bool   // body lacks its end
	missed     bool   // some of its bytes were never seen
	skipped    int64  // elements of lists that were left out of body
	compressor string // "" when it came as it is
	packed     bool   // could not be decompressed
	wire       int64  // bytes on the wire
	start, at  int64  // times of the first and the last byte
	seq        uint32 // TCP sequence number of the first byte
	offset     int64  // of the first byte in its direction
}

func newConn(c decode.Conn, s *shared) *conn {
	if c.Limits.Document < headerLen {
		c.Limits = decode.DefaultLimits()
	}
	k := &conn{Conn: c, shared: s, unsure: c.MidStream}
	for d := range k.half {
		k.half[d].seeking = c.MidStream
	}
	return k
}

// Feed takes the next bytes apart into messages.
func (c *conn) Feed(d event.Dir, at int64, b []byte, emit event.Emitter) error {
	h, whole := &c.half[d], len(b)
	for len(b) > 0 {
		off := whole - len(b)
		if h.seeking {
			n, err := c.seek(d, at, off, b, emit)
			if err != nil {
				return err
			}
			b = b[n:]
			continue
		}
		if h.between() && len(b) >= headerLen {
			if n := c.inPlace(d, at, off, b, emit); n > 0 {
				b = b[n:]
				continue
			}
			if h.seeking {
				continue
			}
		}
		n := c.gather(d, at, off, b, emit)
		b = b[n:]
	}
	h.fed += int64(whole)
	return nil
}

// inPlace takes a message that lies in b as a whole, without a copy, and
// returns its length; 0 when b holds only a part of it, or when it is so long
// that it may be cut down, which must not depend on how it comes.
func (c *conn) inPlace(d event.Dir, at int64, off int, b []byte, emit event.Emitter) int {
	hd := parseHeader(b)
	if !hd.sane(d, c.Limits.Document) {
		c.lose(d, at, hd, emit)
		return 0
	}
	if hd.length > len(b) || hd.length > headerLen+softKeep {
		return 0
	}
	m := message{header: hd, body: b[headerLen:hd.length], wire: int64(hd.length), start: at, at: at, seq: c.position(d, off), offset: c.half[d].fed + int64(off)}
	c.message(d, &m, emit)
	return hd.length
}

// gather takes what it can of a message that comes in pieces, at least one
// byte, and returns how much that was.
func (c *conn) gather(d event.Dir, at int64, off int, b []byte, emit event.Emitter) int {
	h := &c.half[d]
	if h.have < headerLen {
		if h.have == 0 {
			h.start, h.seq, h.offset = at, c.position(d, off), h.fed+int64(off)
		}
		n := copy(h.head[h.have:], b)
		h.have += n
		if h.have < headerLen {
			return n
		}
		hd := parseHeader(h.head[:])
		if !hd.sane(d, c.Limits.Document) {
			c.lose(d, at, hd, emit)
			c.carry(d, h.head[:])
			return n
		}
		h.begin(hd, c.shared)
		if h.rest > 0 {
			return n
		}
		c.complete(d, at, emit)
		return n
	}
	n := min(h.rest, len(b))
	h.keep(b[:n], d, &c.Limits)
	if h.rest -= n; h.rest == 0 {
		c.complete(d, at, emit)
	}
	return n
}

// complete hands on the message that the half has gathered.
func (c *conn) complete(d event.Dir, at int64, emit event.Emitter) {
	h := &c.half[d]
	if h.hole.open() {
		h.closeHole()
	}
	m := message{
		header: h.header, body: h.body(), cut: h.cut || h.rest > 0, missed: h.missed, skipped: h.skipped,
		wire: int64(h.length), start: h.start, at: at, seq: h.seq, offset: h.offset,
	}
	c.message(d, &m, emit)
	h.reset(c.shared)
}

func (c *conn) position(d event.Dir, off int) uint32 {
	if c.Position == nil {
		return 0
	}
	return c.Position(d, off)
}

// lose begins to look for the next header in direction d.
func (c *conn) lose(d event.Dir, at int64, hd header, emit event.Emitter) {
	c.half[d].seek()
	if d == event.ToServer {
		c.unsure = true
	}
	if c.lost[d] {
		return
	}
	c.lost[d] = true
	emit.Notice(&event.Notice{
		Time: at, Name: event.EventDecodeFailure, Severity: event.Warn,
		Body: fmt.Sprintf("mongo: no message begins with length %d and opcode %d (%s); looking for the next one", hd.length, hd.opcode, d),
	})
}

// Gap loses the message that the missing bytes belong to, unless they lie
// wholly inside its body.
func (c *conn) Gap(d event.Dir, at int64, n int64, emit event.Emitter) {
	h := &c.half[d]
	h.fed += n
	if d == event.ToServer {
		c.unsure = true
	}
	if h.have == headerLen && n > 0 && n <= int64(h.rest) {
		h.miss(int(n))
		if h.rest == 0 {
			c.complete(d, at, emit)
		}
		return
	}
	if h.have == headerLen { // its end is lost, its beginning is not
		h.miss(0)
		c.complete(d, at, emit)
	}
	h.reset(c.shared)
	h.seek()
}

// End has nothing to do: every message says how long it is.
func (c *conn) End(event.Dir, int64, event.Emitter) {}

// Close reports the requests that never got their answer.
func (c *conn) Close(at int64, emit event.Emitter) {
	for d := range c.half {
		h := &c.half[d]
		if h.have == headerLen && h.rest > 0 && h.length > headerLen {
			h.cut = true
			c.complete(event.Dir(d), at, emit)
		}
		h.reset(c.shared)
	}
	for _, w := range c.waiting {
		c.unanswered(w.x, at, emit)
	}
	c.waiting = nil
}

package http1

import (
	"bytes"
	"encoding/base64"
	"strings"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// maxHeldPieces bounds how many pieces Limits.Ahead may be spread over.
const maxHeldPieces = 1024

// hold keeps b for later and is how many bytes of it that was: all, unless the
// limit was met and reading has to go on without knowing.
func (t *conn) hold(d event.Dir, at int64, b []byte, off int, emit event.Emitter) int {
	a := &t.ahead
	room := t.c.Limits.Ahead - a.Bytes()
	if a.Len() >= maxHeldPieces {
		room = 0
	}
	n := max(0, min(room, len(b)))
	if n > 0 {
		a.Add(decode.Held{Dir: d, At: at, Seq: t.position(d, off)}, b[:n])
	}
	switch {
	case n == len(b):
		if t.half[event.ToClient].missed {
			t.missedAnswer(at, emit)
		}
		return n
	case d == event.ToServer && !t.waiting.tunnel: // no answer yet, and much more of the same: HTTP
		t.release(emit)
		return n
	}
	a.Add(decode.Held{Dir: d, At: at, Gap: int64(len(b) - n)}, nil)
	return len(b)
}

// release goes on with what was held: as HTTP, unless upgrade changed that.
func (t *conn) release(emit event.Emitter) {
	t.waiting = nil
	for d := range t.half {
		if t.half[d].state == holding {
			t.half[d].state = between
		}
	}
	defer func() { t.late = nil }()
	err := t.ahead.Each(func(h *decode.Held, b []byte) error {
		t.late = h
		return h.To(t, h.Dir, b, emit)
	})
	if err != nil {
		t.err = err
	}
}

// await stops reading the client after a request whose answer decides what its
// next bytes are. Where the answer may have been missed already, the bytes of
// an upgrade are read as HTTP, as most of them are.
func (t *conn) await(e *entry) {
	c, s := &t.half[event.ToServer], &t.half[event.ToClient]
	c.state = between
	switch {
	case e.answered:
	case e.tunnel || e.upgrade && !s.missed && s.state != lost && s.state != over:
		c.state, t.waiting = holding, e
	}
}

// upgrade ends HTTP on this connection: what follows the answer being read is
// another protocol's. Where the request's body is still on its way, that has to
// end first.
func (t *conn) upgrade(e *entry, emit event.Emitter) {
	c, s := &t.half[event.ToServer], &t.half[event.ToClient]
	s.cur = nil
	e.complete, e.switched, e.x.End = true, true, s.last
	t.after = decode.Handover{
		Protocol:    next(e.p.Upgrade),
		Extensions:  strings.Clone(decode.View(s.head.Get("sec-websocket-extensions"))),
		Subprotocol: strings.Clone(decode.View(s.head.Get("sec-websocket-protocol"))),
	}
	if !e.asked && c.cur == e && c.state == inBody {
		s.state, t.waiting = holding, e
		return
	}
	e.asked = true
	t.hand(e, emit)
}

// next is the protocol's name in the list of protocols, "" for a tunnel, whose
// bytes must tell, and "tcp", which nobody is called, for what has no decoder.
func next(token string) string {
	switch {
	case token == "connect":
		return ""
	case token == "websocket":
		return "websocket"
	case token == "h2c":
		return "http2"
	case strings.HasPrefix(token, "tls/"): // RFC 2817
		return "tls"
	}
	return "tcp"
}

// hand tells the exchange and gives the connection's bytes to the decoder of
// what was agreed upon, those that were held first.
func (t *conn) hand(e *entry, emit event.Emitter) {
	t.send(e, emit)
	t.upgraded(e, emit)
	t.rewind()
	t.after.Request, t.after.Settings = &e.x, e.settings
	t.pass(t.after, false)
	t.after = decode.Handover{}
	t.queue.drop(e)
	t.drain(emit)
}

// pass makes the next decoder. midStream says that its first bytes may be
// missing.
func (t *conn) pass(h decode.Handover, midStream bool) {
	c := t.c
	c.MidStream = midStream
	if c.Position != nil {
		c.Position = func(d event.Dir, off int) uint32 { return t.position(d, t.base+off) }
	}
	h.Offset = [2]int64{t.half[0].pos, t.half[1].pos}
	t.next = c.Hand(h)
}

// rewind puts what came of a head that nobody will read in front of what is held.
func (t *conn) rewind() {
	for d := range t.half {
		h := &t.half[d]
		if h.state == between && len(h.buf) > 0 {
			h.pos -= int64(len(h.buf))
			t.ahead.Prepend(decode.Held{Dir: event.Dir(d), At: h.at, Seq: h.seq}, h.buf)
			h.buf = nil
		}
	}
}

// drain lets the next decoder catch up with what was held.
func (t *conn) drain(emit event.Emitter) {
	for d := range t.half {
		h := &t.half[d]
		if h.state == over {
			t.ahead.Add(decode.Held{Dir: event.Dir(d), At: h.last, End: true}, nil)
		}
		h.head.Reset()
		h.cur, h.buf, h.state = nil, nil, handed
	}
	t.release(emit)
}

// feedNext shows the next decoder b, which begins at offset off of the Feed
// call under way.
func (t *conn) feedNext(d event.Dir, at int64, b []byte, off int, emit event.Emitter) error {
	t.base = off
	t.half[d].pos += int64(len(b))
	return t.next.Feed(d, at, b, emit)
}

// missedAnswer gives up waiting when the answer has fallen into a gap. What a
// client sends after CONNECT is in all likelihood what goes through the tunnel;
// where it is not, detection finds the next request.
func (t *conn) missedAnswer(at int64, emit event.Emitter) {
	e := t.waiting
	switch {
	case e == nil || e.answered:
		return
	case !e.tunnel:
		t.release(emit)
		return
	case t.queue.front() != e || t.ahead.Len() == 0:
		return
	}
	e.x.Decode |= gapFlag(event.ToClient)
	t.rewind()
	t.pass(decode.Handover{}, true)
	t.unanswered(e, at, emit)
	t.drain(emit)
}

// settings decodes the value of HTTP2-Settings (RFC 7540, 3.2.1) into b.
func settings(b, value []byte) []byte {
	out, err := base64.RawURLEncoding.AppendDecode(b, bytes.TrimRight(value, "="))
	if err != nil {
		return b
	}
	return out
}

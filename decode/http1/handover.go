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

// held is one Feed, Gap or End that waits until it is known how to read it: what
// a client sends ahead of the answer to CONNECT or to a wish to upgrade, and
// what a server sends as another protocol before the request's body has ended.
type held struct {
	dir   event.Dir
	at    int64
	start int // of its bytes in ahead.kept
	n     int
	seq   uint32 // TCP sequence number of its first byte, where known
	gap   int64  // bytes missing (0 is an unknown number), unless n > 0
	end   bool
}

// ahead holds them, at most Limits.Ahead bytes.
type ahead struct {
	pieces []held
	kept   []byte
}

// hold keeps b for later and is how many bytes of it that was: all, unless the
// limit was met and reading has to go on without knowing.
func (t *conn) hold(d event.Dir, at int64, b []byte, off int, emit event.Emitter) int {
	a := &t.ahead
	room := t.c.Limits.Ahead - len(a.kept)
	if len(a.pieces) >= maxHeldPieces {
		room = 0
	}
	n := max(0, min(room, len(b)))
	if n > 0 {
		a.add(held{dir: d, at: at, n: n, seq: t.position(d, off)}, b[:n])
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
	a.add(held{dir: d, at: at, gap: int64(len(b) - n)}, nil)
	return len(b)
}

// add joins what belongs together, so that cuts make no difference.
func (a *ahead) add(p held, b []byte) {
	if k := len(a.pieces); k > 0 {
		switch last := &a.pieces[k-1]; {
		case last.dir != p.dir || last.end || p.end:
		case last.n > 0 && p.n > 0 && last.at == p.at:
			last.n += p.n
			a.kept = append(a.kept, b...)
			return
		case last.n == 0 && p.n == 0:
			last.gap += p.gap
			return
		}
	}
	p.start = len(a.kept)
	a.pieces = append(a.pieces, p)
	a.kept = append(a.kept, b...)
}

// release goes on with what was held: as HTTP, unless upgrade changed that.
func (t *conn) release(emit event.Emitter) {
	a := t.ahead
	t.ahead, t.waiting = ahead{}, nil
	for d := range t.half {
		if t.half[d].state == holding {
			t.half[d].state = between
		}
	}
	defer func() { t.late = nil }()
	for i := range a.pieces {
		p := &a.pieces[i]
		t.late = p
		switch {
		case p.end:
			t.End(p.dir, p.at, emit)
		case p.n == 0:
			t.Gap(p.dir, p.at, p.gap, emit)
		default:
			if err := t.Feed(p.dir, p.at, a.kept[p.start:p.start+p.n], emit); err != nil {
				t.err = err
				return
			}
		}
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
			first := held{dir: event.Dir(d), at: h.at, start: len(t.ahead.kept), n: len(h.buf), seq: h.seq}
			t.ahead.kept = append(t.ahead.kept, h.buf...)
			t.ahead.pieces = append([]held{first}, t.ahead.pieces...)
			h.buf = nil
		}
	}
}

// drain lets the next decoder catch up with what was held.
func (t *conn) drain(emit event.Emitter) {
	for d := range t.half {
		h := &t.half[d]
		if h.state == over {
			t.ahead.add(held{dir: event.Dir(d), at: h.last, end: true}, nil)
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
	case t.queue.front() != e || len(t.ahead.pieces) == 0:
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

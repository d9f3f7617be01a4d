package http1

import (
	"bytes"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// Options of the decoder.
type Options struct {
	Layers []decode.Layer // what may ride on exchanges, the first that takes one follows it
}

// Protocol is the decoder's entry in the list of protocols.
func Protocol(o Options) decode.Protocol {
	return decode.Protocol{Name: "http1", Detect: Detect, New: func(c decode.Conn) decode.Decoder { return New(c, o) }}
}

// New makes the decoder of one connection. It pairs requests with answers in
// order (RFC 9112, 9.3.2) and never loses its place for good: where framing
// breaks it looks for the next start line. After an upgrade, and inside a
// tunnel, it hands the connection's bytes on.
func New(c decode.Conn, o Options) decode.Decoder {
	t := &conn{c: c, layers: o.Layers}
	t.saddle()
	if c.MidStream {
		t.half[event.ToServer].state = lost
		t.half[event.ToClient].state = lost
	}
	return t
}

// place is where in its stream one direction of a connection is.
type place uint8

const (
	opening place = iota // nothing seen yet, or the preamble of a SOCKS proxy
	between              // messages, or inside a head
	inBody
	lost    // looking for a start line
	holding // bytes are kept until it is known how to read them
	handed  // to the decoder of what follows HTTP
	over    // after the end
)

// half is one direction.
type half struct {
	state place
	head  Head
	body  Body
	cur   *entry // whose message is being read; nil when nobody's is

	buf []byte // a head, or (lost) a line, that came in pieces
	at  int64  // time of its first byte
	seq uint32 // TCP sequence number of its first byte, where known

	last   int64 // time of the last byte that was seen
	missed bool  // answers may have fallen into a gap

	pos    int64 // offset of the next byte in this direction
	start  int64 // offset of the first byte of the head, or (lost) of the line
	bodyAt int64 // offset of the body's first byte
}

type conn struct {
	c       decode.Conn
	layers  []decode.Layer
	riding  *decode.Conn // what layers are given
	showing int64        // offset of the bytes that a layer is shown
	trailer *Head        // nil before a layer was shown one
	half    [2]half
	queue   queue

	ahead   decode.Backlog  // what waits until it is known how to read it
	waiting *entry          // whose answer, or body's end, ahead waits for
	late    *decode.Held    // what is being caught up with
	after   decode.Handover // what follows once waiting's request has ended
	next    decode.Decoder  // of what follows HTTP; nil while HTTP is spoken
	base    int             // offset in the Feed call under way of what next is shown
	err     error           // of next, while it caught up
}

// Feed consumes b. It fails only when what follows HTTP does.
func (t *conn) Feed(d event.Dir, at int64, b []byte, emit event.Emitter) error {
	h := &t.half[d]
	for off, n := 0, 0; off < len(b) && t.err == nil; off += n {
		switch h.state {
		case inBody:
			n = t.feedBody(d, at, b[off:], emit)
		case between:
			n = t.feedHead(d, at, b, off, emit)
		case lost:
			n = t.seek(d, at, b, off, emit)
		case opening:
			n = t.open(d, at, b[off:], emit)
		case holding:
			n = t.hold(d, at, b[off:], off, emit)
		case handed:
			return t.feedNext(d, at, b[off:], off, emit)
		default:
			return nil
		}
	}
	return t.err
}

func (t *conn) feedBody(d event.Dir, at int64, b []byte, emit event.Emitter) int {
	h := &t.half[d]
	h.last = at
	n, err := t.takeBody(d, at, b)
	h.grew(d, int64(n))
	if h.body.Ambiguous != "" && !h.body.told {
		h.body.told = true
		t.ambiguous(d, h.body.Ambiguous, emit)
	}
	switch {
	case err != nil:
		t.cut(d, 0, emit)
		t.lose(d, at, "chunk framing cannot be read", emit)
	case h.body.Done():
		t.ended(d, emit)
	}
	return n
}

// grew counts n more bytes of the message that is being read.
func (h *half) grew(d event.Dir, n int64) {
	switch {
	case h.cur == nil:
	case d == event.ToServer:
		h.cur.x.RequestBytes += n
		h.cur.p.RequestBody = h.body.Payload
	default:
		h.cur.x.ResponseBytes += n
		h.cur.p.ResponseBody = h.body.Payload
	}
}

// feedHead takes the head that begins at b[off], or goes on with one that
// began earlier, and is how many bytes of b it used.
func (t *conn) feedHead(d event.Dir, at int64, b []byte, off int, emit event.Emitter) int {
	h, in := &t.half[d], b[off:]
	if len(h.buf) == 0 {
		if d == event.ToClient && t.bare(at, off, in[0], emit) {
			return 0
		}
		if in[0] == '\r' || in[0] == '\n' { // RFC 9112, 2.2: empty lines between messages
			h.pos++
			return 1
		}
		t.mark(d, at, off)
		n, err := t.parse(d, in)
		if n > 0 && err == nil {
			h.last = at
			h.pos += int64(n)
			t.message(d, n, emit)
			return n
		}
		h.head.Reset() // go on below as for one in pieces, which is rare
	}
	return t.gather(d, at, in, emit)
}

// gather adds to a head that comes in pieces: first its start line and no more,
// which may be none, then up to the limit.
func (t *conn) gather(d event.Dir, at int64, in []byte, emit event.Emitter) int {
	h := &t.half[d]
	had := len(h.buf)
	in = in[:min(len(in), t.c.Limits.Head+1-had)]
	if !h.head.started {
		if k := bytes.IndexByte(in, '\n'); k >= 0 {
			in = in[:k+1]
		}
	}
	h.buf = append(h.buf, in...)
	h.last = at
	h.pos += int64(len(in))
	n, err := t.parse(d, h.buf)
	switch {
	case err != nil && h.head.started: // too long
		t.salvage(d, 0, emit)
		t.lose(d, at, "message head is over the limit", emit)
	case err != nil && d == event.ToClient && t.bareBuffered(emit):
	case err != nil:
		t.lose(d, at, "start line cannot be read", emit)
		t.examine(d, at, emit)
	case n > 0:
		h.pos -= int64(len(h.buf) - n)
		h.buf = h.buf[:0]
		t.message(d, n, emit)
		return n - had
	}
	return len(in)
}

// mark notes where a head or line begins: at offset off of the Feed call under
// way.
func (t *conn) mark(d event.Dir, at int64, off int) {
	h := &t.half[d]
	h.at, h.seq, h.start = at, t.position(d, off), h.pos
}

func (t *conn) position(d event.Dir, off int) uint32 {
	switch {
	case t.c.Position == nil:
		return 0
	case t.late != nil:
		return t.late.Seq + uint32(off)
	}
	return t.c.Position(d, off)
}

func (t *conn) parse(d event.Dir, b []byte) (int, error) {
	h := &t.half[d]
	if d == event.ToServer {
		return h.head.ParseRequest(b, Lenient, t.c.Limits)
	}
	return h.head.ParseResponse(b, Lenient, t.c.Limits, t.asked())
}

// asked is the method of the request that the next answer belongs to.
func (t *conn) asked() []byte {
	if e := t.asker(); e != nil {
		return e.method
	}
	return nil
}

// asker is the exchange that the answer being read belongs to: the oldest that
// has none yet, unless it began after the answer did.
func (t *conn) asker() *entry {
	e := t.queue.front()
	if e == nil || e.answered || e.x.Start > t.half[event.ToClient].at {
		return nil
	}
	return e
}

// message begins the message whose head, n bytes long, has been parsed.
func (t *conn) message(d event.Dir, n int, emit event.Emitter) {
	h := &t.half[d]
	if h.head.Ambiguous != "" {
		t.ambiguous(d, h.head.Ambiguous, emit)
	}
	if d == event.ToServer {
		t.request(n, emit)
	} else {
		t.answer(n, emit)
	}
}

func (t *conn) request(n int, emit event.Emitter) {
	h := &t.half[event.ToServer]
	t.answersMissed(emit)
	e := t.entry()
	FillRequest(&e.x, &e.p, &h.head)
	t.secure(e)
	e.text, h.head.text = h.head.text, e.text
	e.method = append(e.method, h.head.Method...)
	if e.simple = h.head.Simple(); e.simple {
		e.p.Version = "0.9"
	}
	e.tunnel, e.upgrade = h.head.Form == Authority, len(h.head.Upgrade) > 0
	if e.upgrade {
		e.settings = settings(e.settings, h.head.Get("http2-settings"))
	}
	e.x.Start, e.x.RequestSeq, e.x.RequestBytes = h.at, h.seq, int64(n)
	h.cur = e
	t.watch(event.ToServer, e, &h.head)
	t.inspectHead(event.ToServer, e, n)
	t.ride(e, &h.head, nil)
	if t.queue.len() < t.c.Limits.Pending {
		t.queue.push(e)
	} else { // told at once, so that the others keep their answers
		h.cur = nil
		t.unanswered(e, h.last, emit)
	}
	if h.head.Form == Authority { // RFC 9110, 9.3.6: no body
		t.ended(event.ToServer, emit)
		return
	}
	t.begin(event.ToServer, emit)
}

func (t *conn) answer(n int, emit event.Emitter) {
	h := &t.half[event.ToClient]
	h.missed = false
	e := t.asker()
	if h.head.Interim() {
		t.inspectHead(event.ToClient, e, n)
		if e != nil {
			FillResponse(&e.x, &e.p, &h.head)
			e.x.ResponseBytes += int64(n)
		}
		h.state = between
		return
	}
	if e == nil {
		e = t.unasked()
	}
	FillResponse(&e.x, &e.p, &h.head)
	e.answerText, h.head.text = h.head.text, e.answerText
	e.x.FirstByte, e.x.ResponseSeq = h.at, h.seq
	e.x.ResponseBytes += int64(n)
	e.answered, h.cur = true, e
	t.watch(event.ToClient, e, &h.head)
	t.inspectHead(event.ToClient, e, n)
	t.rideAnswer(e)
	if h.head.Status == 101 || h.head.Tunnel() {
		t.upgrade(e, emit)
		return
	}
	t.begin(event.ToClient, emit)
	if e == t.waiting {
		t.release(emit) // no other protocol, so the client goes on speaking HTTP
	}
}

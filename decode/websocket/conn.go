package websocket

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// half is one direction of a session.
type half struct {
	head       [longest]byte
	have, need int // bytes of head that are there, and that are known to belong to it

	frame
	inside bool  // a frame's payload
	rest   int64 // bytes of it to come
	holed  bool  // some of it was never seen
	flags  event.DecodeFlags

	said [mostControl]byte // payload of a control frame, unmasked
	kept int               // bytes of it

	offset  int64 // of the next byte
	begun   int64 // offset of the frame's first byte
	message bool  // inside a message of several frames
	text    *text // of the message; nil where nobody asked
	closed  bool  // its close frame has come
	lost    bool  // where frames begin is not known any more
	ended   bool  // by FIN
	told    bool  // something was against the protocol

	pings pings // that wait for their pong
}

// conn follows one session.
type conn struct {
	c    decode.Conn
	x    event.Exchange
	http event.HTTP
	h2   event.H2
	ws   event.WS
	half [2]half
	rsv  byte // reserved bits that the extensions use
	over bool // the session was told

	texts int // bytes in ws.Messages; over mostText nothing more is kept

	reason [mostControl]byte // behind ws.CloseReason
	line   []byte            // behind a Message's text
}

// Feed takes the next bytes apart into frames. It never fails: what cannot be
// taken apart is counted.
func (t *conn) Feed(d event.Dir, at int64, b []byte, emit event.Emitter) error {
	h := &t.half[d]
	for len(b) > 0 && !t.over {
		n := 0
		switch {
		case h.lost:
			n = len(b)
			t.saw(d, at, int64(n))
		case h.inside:
			n = t.payload(d, at, b, emit)
		default:
			n = t.header(d, at, b, emit)
		}
		b = b[n:]
	}
	return nil
}

// saw counts n bytes.
func (t *conn) saw(d event.Dir, at, n int64) {
	x := &t.x
	if x.Start == 0 {
		x.Start = at
	}
	x.End = max(x.End, at)
	t.half[d].offset += n
	if d == event.ToServer {
		x.RequestBytes += n
		return
	}
	x.ResponseBytes += n
	if x.FirstByte == 0 {
		x.FirstByte = at
	}
}

// header takes what it can of a frame's header and is how much that was.
func (t *conn) header(d event.Dir, at int64, b []byte, emit event.Emitter) int {
	h := &t.half[d]
	if h.have == 0 {
		h.begun = h.offset
		t.first(d, b)
	}
	n := copy(h.head[h.have:h.need], b)
	h.have += n
	t.saw(d, at, int64(n))
	if h.have == shortest && h.need == shortest {
		h.need = headerSize(h.head[:])
	}
	if h.have == h.need {
		t.begin(d, at, emit)
	}
	return n
}

// first notes where the session's first byte in direction d lies.
func (t *conn) first(d event.Dir, b []byte) {
	if t.half[d].offset > 0 || t.c.Position == nil {
		return
	}
	if d == event.ToServer {
		t.x.RequestSeq = t.c.Position(d, 0)
		return
	}
	t.x.ResponseSeq = t.c.Position(d, 0)
}

// begin starts the frame whose header has come.
func (t *conn) begin(d event.Dir, at int64, emit event.Emitter) {
	h := &t.half[d]
	h.frame = parseFrame(h.head[:h.have])
	h.have, h.need = 0, shortest
	if h.size < 0 {
		t.lose(d, at, "a frame's length is over 2^63 (RFC 6455, 5.2); its frames are counted no longer", emit)
		return
	}
	if what := h.wrong(d, h, t.rsv); what != "" {
		t.violation(d, at, what, emit)
	}
	h.inside, h.rest, h.kept, h.holed, h.flags = true, h.size, 0, false, 0
	if h.text != nil && !h.control() {
		h.text.begin(&h.frame)
	}
	if h.rest == 0 {
		t.complete(d, at, emit)
	}
}

// payload takes what it can of a frame's payload and is how much that was.
func (t *conn) payload(d event.Dir, at int64, b []byte, emit event.Emitter) int {
	h := &t.half[d]
	n := int(min(h.rest, int64(len(b))))
	switch {
	case h.control():
		h.keep(b[:n])
	case h.text != nil:
		h.text.add(h, b[:n])
	}
	t.passed(d, at, int64(n))
	if h.rest == 0 {
		t.complete(d, at, emit)
	}
	return n
}

// passed counts n bytes of a payload.
func (t *conn) passed(d event.Dir, at, n int64) {
	h := &t.half[d]
	t.saw(d, at, n)
	h.rest -= n
	switch {
	case h.control():
	case d == event.ToServer:
		t.ws.ClientPayload += n
	default:
		t.ws.ServerPayload += n
	}
}

// keep unmasks a control frame's payload (RFC 6455, 5.3).
func (h *half) keep(b []byte) {
	if h.holed {
		return // what comes now is not what follows
	}
	at := h.size - h.rest
	for i, c := range b[:min(len(b), mostControl-h.kept)] {
		if h.masked {
			c ^= h.mask[(at+int64(i))&3]
		}
		h.said[h.kept] = c
		h.kept++
	}
}

// hole notes that some of a frame's payload was never seen.
func (h *half) hole(flags event.DecodeFlags) {
	h.holed, h.flags = true, h.flags|flags
	if h.text != nil && !h.control() {
		h.text.cut = true
	}
}

// Gap goes on where the missing bytes all belong to one payload. Nothing but
// lengths says where frames begin, so that otherwise the place is lost for good.
func (t *conn) Gap(d event.Dir, at int64, n int64, emit event.Emitter) {
	if t.over {
		return
	}
	h := &t.half[d]
	flag := event.ResponseGap
	if d == event.ToServer {
		flag = event.RequestGap
	}
	t.x.Decode |= flag
	switch {
	case h.lost:
		t.saw(d, at, n)
	case h.inside && n > 0 && n <= h.rest:
		h.hole(flag)
		t.passed(d, at, n)
		if h.rest == 0 {
			t.complete(d, at, emit)
		}
	default:
		inside := h.inside
		t.lose(d, at, "bytes between frames are missing; the frames after them are not counted", emit)
		if inside { // its end is missing, its beginning is not
			m := min(n, h.rest)
			h.hole(flag | event.BodyCut)
			t.passed(d, at, m)
			n -= m
			t.complete(d, at, emit)
		}
		t.saw(d, at, n)
	}
}

// End notes an orderly end, which need not be one of the session.
func (t *conn) End(d event.Dir, _ int64, _ event.Emitter) { t.half[d].ended = true }

// Close tells the session.
func (t *conn) Close(at int64, emit event.Emitter) {
	if t.over {
		return
	}
	for d := range t.half {
		if h := &t.half[d]; h.inside || h.have > 0 {
			t.x.Decode |= event.BodyCut
		}
	}
	if t.x.Start == 0 {
		t.x.Start = at
	}
	t.tell(at, emit)
}

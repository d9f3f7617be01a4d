package http2

import (
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/internal/event"
)

// place is where in its bytes one direction of a connection is.
type place uint8

const (
	opening   place = iota // a client that has yet to send the preface
	between                // frames, or inside a frame's header
	inPayload              // of a frame that is read whole
	inData                 // of a DATA frame, which is passed on as it comes
	lost                   // looking for a frame
)

// half is one direction.
type half struct {
	state place

	head [headSize]byte // a header that came in pieces; its first have bytes are there
	have int

	frame  frame
	at     int64  // time of the frame's first byte
	seq    uint32 // its TCP sequence number, where known
	offset int64  // its place among all bytes of the direction
	rest   int    // bytes of the frame that are yet to come
	want   int    // bytes of the payload that are gathered
	buf    []byte
	hole   bool // bytes of the payload are missing

	pad      int     // bytes at the end of a DATA frame that are no data
	padKnown bool    // its Pad Length was read
	cur      *stream // whose DATA is being read; nil when nobody's is

	block    block
	hpack    wire.Decoder
	fields   wire.Section // its text is lent until the next one of the half is read
	maxFrame int          // bytes that the other side takes in one frame
	settled  bool         // that is known
	total    int64        // bytes seen, those missing included
	search   search
}

// feed takes b apart, from the state that the last bytes left.
func (t *conn) feed(d event.Dir, at int64, b []byte) {
	h := &t.half[d]
	for off := 0; off < len(b); {
		n := 0
		switch h.state {
		case between:
			n = t.header(d, at, b, off)
		case inData:
			t.off = off
			n = t.data(d, at, b[off:])
		case inPayload:
			n = t.payload(d, at, b[off:])
		case lost:
			t.seek(d, at, b, off)
			return
		case opening:
			n = t.open(d, at, b, off)
		}
		off += n
		h.total += int64(n)
	}
}

// open takes the client's preface off (RFC 9113, 3.4). A client that sends
// something else is listened to as if joined in the middle.
func (t *conn) open(d event.Dir, at int64, b []byte, off int) int {
	h := &t.half[d]
	in := b[off:]
	n := min(len(in), len(preface)-len(h.buf))
	if len(h.buf) == 0 {
		h.at, h.offset = at, h.total
	}
	h.buf = append(h.buf, in[:n]...)
	if string(h.buf) != preface[:len(h.buf)] {
		h.hpack.Forget()
		h.state = lost
		kept := len(h.buf) - n
		h.search.keep(mark{at: h.at, seq: t.position(d, off) - uint32(kept)}, h.buf[:kept], h.total-int64(kept))
		h.buf = h.buf[:0]
		return 0
	}
	if len(h.buf) == len(preface) {
		h.buf = h.buf[:0]
		h.state = between
		t.inspectPreface(d, at)
	}
	return n
}

// header takes a frame's header, and is how many bytes it used.
func (t *conn) header(d event.Dir, at int64, b []byte, off int) int {
	h := &t.half[d]
	in := b[off:]
	if h.have == 0 {
		h.at, h.offset = at, h.total
		if len(in) >= headSize {
			f := parseFrame(in)
			if t.asksPlace(d, f) {
				h.seq = t.position(d, off)
			}
			t.begin(d, at, f)
			return headSize
		}
		h.seq = t.position(d, off)
	}
	n := copy(h.head[h.have:], in)
	if h.have += n; h.have == headSize {
		h.have = 0
		t.begin(d, at, parseFrame(h.head[:]))
	}
	return n
}

// asksPlace reports whether the place of a frame among the packets may be told:
// that of fields, and of the body of an answer whose fields were not seen.
func (t *conn) asksPlace(d event.Dir, f frame) bool {
	if f.kind != frameData || d == event.ToServer {
		return isFields(f.kind)
	}
	s := t.set.find(f.stream)
	return s == nil || !s.answered
}

// begin decides what to do with the payload of the frame whose header is f.
func (t *conn) begin(d event.Dir, at int64, f frame) {
	h := &t.half[d]
	h.frame, h.rest, h.hole = f, f.length, false
	why := f.broken()
	if f.length > h.maxFrame || f.length > frameLimit && !h.settled && !t.trusted(f) {
		why = "a frame is longer than the other side allows"
	}
	if why != "" {
		t.lose(d, at, why)
		return
	}
	if h.block.open && (f.kind != frameContinuation || f.stream != h.block.stream) {
		t.abandon(d, at) // RFC 9113, 6.10: nothing may come between
	}
	h.buf = h.buf[:0]
	if f.kind == frameData {
		h.state, h.padKnown, h.pad = inData, !f.has(flagPadded), 0
		h.cur = t.dataOf(d)
	} else {
		h.state, h.want = inPayload, t.wanted(d, f)
	}
	if h.rest == 0 {
		t.ended(d, at, nil)
	}
}

// trusted reports whether a large frame may be believed though nobody saw what
// the other side allows: one of a stream whose fields were seen.
func (t *conn) trusted(f frame) bool {
	s := t.set.find(f.stream)
	return f.kind == frameData && s != nil && (s.requested || s.answered)
}

// wanted is how much of a payload is looked into.
func (t *conn) wanted(d event.Dir, f frame) int {
	switch f.kind {
	case frameHeaders, framePushPromise, frameContinuation:
		return min(f.length, t.c.Limits.Head)
	case frameSettings, frameGoAway, framePing, frameWindowUpdate, frameReset, framePriority:
		return min(f.length, maxControl)
	}
	return 0
}

// maxControl is how much of a frame of the connection is looked into: 40
// settings, or the beginning of a GOAWAY's debug data.
const maxControl = 240

// payload gathers a frame's payload. One that came in one piece is read in
// place.
func (t *conn) payload(d event.Dir, at int64, b []byte) int {
	h := &t.half[d]
	if len(h.buf) == 0 && h.rest == h.frame.length && len(b) >= h.rest && !h.hole {
		n := h.rest
		h.rest = 0
		t.ended(d, at, b[:min(n, h.want)])
		return n
	}
	n := min(len(b), h.rest)
	if room := h.want - len(h.buf); room > 0 && !h.hole {
		h.buf = append(h.buf, b[:min(n, room)]...)
	}
	if h.rest -= n; h.rest == 0 {
		t.ended(d, at, h.buf)
	}
	return n
}

// ended handles a frame that has come to its end; p is what was gathered.
func (t *conn) ended(d event.Dir, at int64, p []byte) {
	h := &t.half[d]
	h.state = between
	f := h.frame
	switch f.kind {
	case frameData:
		t.dataEnded(d, at)
	case frameHeaders, framePushPromise, frameContinuation:
		t.fragment(d, at, p)
	case frameReset:
		t.reset(d, at, p)
	case frameSettings:
		t.settings(d, p)
	case frameGoAway:
		t.goAway(d, at, p)
	}
	if t.c.Inspect != nil && !isFields(f.kind) {
		t.inspectFrame(d, at, p)
	}
}

func isFields(kind uint8) bool {
	return kind == frameHeaders || kind == framePushPromise || kind == frameContinuation
}

package tls

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// conn follows one connection. What it hands on goes to inner; until then, and
// where nothing can be deciphered, outer counts the bytes.
type conn struct {
	decode.Conn
	*shared
	half [2]half

	client *clientHello // nil until it was seen
	server *serverHello // the one that was agreed on; nil until it was seen
	first  *clientHello // the client's first, where it had to try again

	retried  bool  // a HelloRetryRequest came, and its answer has not
	accepted bool  // the server takes early data
	settled  bool  // nothing more is to be learned of the handshake
	told     bool  // the event
	toldAt   int64 // time of the event
	alert    byte  // of the first fatal alert
	alerted  bool
	alertDir event.Dir
	effort   int64 // left for deciphering in vain
	suite    suite // of server
	openable bool  // suite is one that can be deciphered
	broken   error // of the decoder of what is inside, met where it could not be told

	outer, inner decode.Decoder
	shown        decode.Unpacking // of inner
}

func newConn(c decode.Conn, s *shared) *conn {
	if c.Limits.Head <= 0 {
		c.Limits = decode.DefaultLimits()
	}
	counted := c
	counted.Inspect = nil // the records are told here
	k := &conn{Conn: c, shared: s, effort: s.Effort, outer: decode.NewOpaque(counted)}
	for d := range k.half {
		k.half[d].seeking = c.MidStream
	}
	return k
}

// Feed takes the next bytes apart into records. It fails only where the
// decoder of what is inside does.
func (k *conn) Feed(d event.Dir, at int64, b []byte, emit event.Emitter) error {
	if k.broken != nil {
		return k.broken
	}
	if k.inner == nil {
		// It only counts, and never fails.
		_ = k.outer.Feed(d, at, b, emit)
	}
	h := &k.half[d]
	for whole := len(b); len(b) > 0; {
		if h.blind {
			h.offset += int64(len(b))
			return nil
		}
		n, err := k.step(d, at, whole-len(b), b, emit)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// step uses n bytes of b, the rest of a piece from offset off on.
func (k *conn) step(d event.Dir, at int64, off int, b []byte, emit event.Emitter) (n int, err error) {
	h := &k.half[d]
	switch {
	case h.skip > 0:
		n = min(h.skip, len(b))
		h.skip -= n
		h.offset += int64(n)
		return n, nil
	case h.seeking:
		return k.seek(d, at, off, b, emit)
	}
	if h.buf == nil {
		h.seq = k.tcp(d, off)
		if n, ok := h.recordSize(b); ok && n > 0 && n <= len(b) {
			h.begun = true
			h.offset += int64(n)
			return n, k.recordNow(d, at, b[:n], emit)
		}
	}
	return k.gather(d, at, b, emit)
}

// recordSize is how long the record that begins with b is, header included; 0
// when more bytes are needed to tell, not ok when it is no record.
func (h *half) recordSize(b []byte) (n int, ok bool) {
	if !h.begun && len(b) > 0 && b[0]&0x80 != 0 { // a hello in the form of SSL 2.0
		if len(b) < 2 {
			return 0, true
		}
		return 2 + int(b[0]&0x7f)<<8 + int(b[1]), true
	}
	n, ok = recordLength(b)
	if len(b) < headerLen || !ok {
		return 0, ok
	}
	return headerLen + n, true
}

// gather adds to a record that comes in pieces, and is how much of b it used.
func (k *conn) gather(d event.Dir, at int64, b []byte, emit event.Emitter) (used int, err error) {
	h := &k.half[d]
	if h.buf == nil {
		h.buf = k.buffer()
	}
	for len(b) > 0 {
		size, ok := h.recordSize(*h.buf)
		if ok && size == 0 {
			size = len(*h.buf) + 1
		}
		if n := min(size-len(*h.buf), len(b)); ok && n > 0 {
			*h.buf = append(*h.buf, b[:n]...)
			used, b = used+n, b[n:]
			h.offset += int64(n)
		}
		size, ok = h.recordSize(*h.buf)
		if !ok || size > cap(*h.buf) {
			k.derail(d, at, emit)
			return used, nil
		}
		if size > 0 && size == len(*h.buf) {
			return used, k.gathered(d, at, emit)
		}
	}
	return used, nil
}

// gathered reads the record in the buffer.
func (k *conn) gathered(d event.Dir, at int64, emit event.Emitter) error {
	h := &k.half[d]
	buf := h.buf
	h.buf, h.begun = nil, true
	defer k.free(buf)
	return k.recordNow(d, at, *buf, emit)
}

// derail is for bytes that are no record where one should begin.
func (k *conn) derail(d event.Dir, at int64, emit event.Emitter) {
	h := &k.half[d]
	h.release(k.shared)
	if k.server == nil || h.mute {
		k.giveUp(d, at, emit)
		h.blind = true
		return
	}
	h.seeking = true
	h.missed(k.Search)
}

func (k *conn) tcp(d event.Dir, off int) uint32 {
	if k.Conn.Position == nil {
		return 0
	}
	return k.Conn.Position(d, off)
}

// Gap goes on where the record ends when that is known, else it looks for the
// next record that can be recognised.
func (k *conn) Gap(d event.Dir, at int64, n int64, emit event.Emitter) {
	if k.inner == nil {
		k.outer.Gap(d, at, n, emit)
	}
	h := &k.half[d]
	defer func() { h.offset += n }() // what is salvaged was before it
	if h.blind {
		return
	}
	span := k.Search
	if n > 0 {
		span = int(min(int64(span), n/(headerLen+minSealed)+2))
	}
	switch left := h.left(); {
	case n > 0 && n <= int64(h.skip):
		h.skip -= int(n)
		return // of a record that is lost already
	case n > 0 && n <= int64(left): // one record is lost, and the next one's place is known
		h.skip, span = left-int(n), 1
	default:
		h.skip, h.seeking = 0, true
	}
	k.salvage(d, at, emit)
	h.begun = true
	k.hole(d, at, span, emit)
}

// salvage reads the messages that are whole in a record that will not be, and
// gives its buffer back: hellos often share a record with long certificates.
func (k *conn) salvage(d event.Dir, at int64, emit event.Emitter) {
	h := &k.half[d]
	if h.buf == nil {
		return
	}
	if b := *h.buf; len(b) > headerLen && b[0] == typeHandshake && !h.mute && len(h.held.pieces) == 0 && k.ready(d, b[0]) && !k.protected(d, b[0]) {
		r := heldRecord{at: at, seq: h.seq, offset: h.offset - int64(len(b)), n: len(b)}
		k.handshake(d, &r, b[headerLen:], false)
		k.tellWhenKnown(emit)
	}
	h.release(k.shared)
}

// left is how many bytes of the record being gathered are still to come; 0
// where that is not known.
func (h *half) left() int {
	if h.buf == nil || h.seeking {
		return 0
	}
	if size, ok := h.recordSize(*h.buf); ok && size > 0 {
		return size - len(*h.buf)
	}
	return 0
}

// hole is a gap of up to span records among the records.
func (k *conn) hole(d event.Dir, at int64, span int, emit event.Emitter) {
	h := &k.half[d]
	if len(h.held.pieces) > 0 {
		h.held.add(heldRecord{at: at, span: span}, nil)
		return
	}
	h.missed(span)
	if d == event.ToServer && k.client == nil || d == event.ToClient && k.server == nil {
		k.giveUp(d, at, emit) // without both hellos there is nothing to be had
		k.broken = k.drain(d.Other(), emit, false)
	}
}

// End passes on that a direction has been shut.
func (k *conn) End(d event.Dir, at int64, emit event.Emitter) {
	h := &k.half[d]
	if k.inner != nil && !h.closed {
		k.inner.End(d, at, emit)
	}
	h.closed = true
}

// Close tells what is still to be told.
func (k *conn) Close(at int64, emit event.Emitter) {
	for d := range k.half {
		k.salvage(event.Dir(d), at, emit)
		// What is inside cannot be asked to stop: it is closed below.
		_ = k.drain(event.Dir(d), emit, true)
	}
	k.tell(at, emit)
	if k.inner != nil {
		k.inner.Close(at, emit)
		return
	}
	k.outer.Close(at, opaque{emit, k})
}

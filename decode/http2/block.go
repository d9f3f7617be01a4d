package http2

import (
	"encoding/binary"
	"errors"

	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/internal/event"
)

// block is a field block on its way: the fragments of a HEADERS or PUSH_PROMISE
// frame and of the CONTINUATION frames after it (RFC 9113, 4.3).
type block struct {
	open      bool
	push      bool
	endStream bool
	cut       bool // fragments are missing: a gap, or over a limit
	stream    uint32
	promised  uint32
	at        int64  // of the first frame's first byte
	seq       uint32 // of the same
	offset    int64  // of the same
	bytes     int64  // frames with their headers
	frames    int
	buf       []byte
}

// fragment takes a frame that carries fields; p is its payload, as far as it
// was gathered.
func (t *conn) fragment(d event.Dir, at int64, p []byte) {
	h := &t.half[d]
	f, b := h.frame, &h.block
	whole := len(p) == f.length && !h.hole
	switch {
	case f.kind != frameContinuation:
		b.open, b.cut, b.push, b.endStream = true, false, f.kind == framePushPromise, f.kind == frameHeaders && f.has(flagEndStream)
		b.stream, b.promised, b.at, b.seq, b.offset = f.stream, 0, h.at, h.seq, h.offset
		b.bytes, b.frames, b.buf = 0, 0, b.buf[:0]
		var ok bool
		if p, ok = b.strip(f, p, whole); !ok {
			b.open = false
			h.hpack.Forget()
			t.failure(d, at, "a frame's padding is longer than the frame")
			return
		}
	case !b.open:
		h.hpack.Forget()
		t.failure(d, at, "a CONTINUATION frame continues nothing")
		return
	}
	b.bytes += int64(headSize + f.length)
	b.frames++
	if b.frames > 1+t.c.Limits.Continuations || len(b.buf)+len(p) > t.c.Limits.Head {
		p, whole = nil, false
	}
	end := f.has(flagEndHeaders)
	if !b.cut && (b.frames > 1 || !end) {
		b.buf = append(b.buf, p...)
		p = b.buf
	} else if b.cut {
		p = b.buf // what comes after a hole cannot be read
	}
	b.cut = b.cut || !whole
	if end {
		t.section(d, at, p)
	} else if t.c.Inspect != nil {
		t.inspectFragment(d, at)
	}
}

// strip takes padding, priority and the promised stream off a payload. Of one
// that is not whole the end is not there.
func (b *block) strip(f frame, p []byte, whole bool) (fragment []byte, ok bool) {
	pad := 0
	if f.has(flagPadded) && len(p) > 0 {
		pad, p = int(p[0]), p[1:]
	}
	front := 0
	if f.kind == framePushPromise {
		front = 4
	} else if f.has(flagPriority) {
		front = 5
	}
	if whole && len(p) < front+pad {
		return nil, false
	}
	if b.push && len(p) >= front {
		b.promised = binary.BigEndian.Uint32(p) &^ (1 << 31)
	}
	p = p[min(front, len(p)):]
	if whole {
		p = p[:len(p)-pad]
	}
	return p, true
}

// section reads a block that has come to its end and gives its fields to their
// stream.
func (t *conn) section(d event.Dir, at int64, p []byte) {
	h := &t.half[d]
	b := &h.block
	b.open = false
	err := h.hpack.Decode(p, &h.fields)
	switch {
	case b.cut:
		h.hpack.Forget()
		h.fields.Cut = true
	case err != nil:
		t.failure(d, at, unreadable(err))
	}
	var s *stream
	switch {
	case b.push && d == event.ToClient:
		s = t.promise(at)
	case d == event.ToServer:
		s = t.fromClient(at)
	default:
		s = t.fromServer(at)
	}
	if t.c.Inspect != nil {
		t.inspectFields(d, at)
	}
	if s != nil && b.endStream && !b.push {
		t.closeSide(s, d, at)
	}
}

// unreadable says in a few words, which are the same for many blocks, what is
// wrong with one.
func unreadable(err error) string {
	if errors.Is(err, wire.ErrShort) {
		return wire.ErrShort.Error()
	}
	return wire.ErrCompression.Error()
}

// abandon gives up a block that will not go on.
func (t *conn) abandon(d event.Dir, at int64) {
	h := &t.half[d]
	h.block.open = false
	h.hpack.Forget()
	t.failure(d, at, "a field block does not end")
}

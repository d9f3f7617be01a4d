package http2

import "github.com/pitot-io/pitot/internal/event"

// Gap goes on where the missing bytes lie inside one frame, since its length is
// known; else it looks for the next frame.
func (t *conn) Gap(d event.Dir, at int64, n int64, emit event.Emitter) {
	t.emit = emit
	h := &t.half[d]
	if h.state == lost {
		t.find(d, true) // what was kept will not go on
	}
	inside := n > 0 && n <= int64(h.rest)
	switch {
	case inside && h.state == inData:
		t.dataGap(d, at, int(n))
	case inside && h.state == inPayload:
		h.hole = true
		t.missed(d, at, int(n))
	default:
		t.stray(d)
	}
	h.total += n
	t.emit = nil
}

// missed takes n missing bytes for the frame's.
func (t *conn) missed(d event.Dir, at int64, n int) {
	h := &t.half[d]
	if h.rest -= n; h.rest == 0 {
		t.ended(d, at, h.buf)
	}
}

// dataGap counts bytes of a body that were not seen. Where the length of the
// padding is among them, how many they were is not known.
func (t *conn) dataGap(d event.Dir, at int64, n int) {
	h := &t.half[d]
	body := min(n, h.rest-h.pad)
	if !h.padKnown {
		body = 0
		h.state, h.want, h.hole = inPayload, 0, true
	}
	if s := h.cur; s != nil {
		s.x.Decode |= gapFlag(d)
		s.carried(d, int64(body))
		s.grew(d, int64(n), at)
		t.lostBody(s, d, at, body)
	}
	h.pad = min(h.pad, h.rest-n)
	t.missed(d, at, n)
}

// lostBody passes on that n bytes of a body, 0 for some, were not seen.
func (t *conn) lostBody(s *stream, d event.Dir, at int64, n int) {
	switch {
	case s.tunnel.inner != nil:
		s.tunnel.inner.Gap(d, at, int64(n), t.carrier(s))
	case s.call != nil:
		t.shows(t.half[d].offset, s.id)
		s.call.Lost(d, at, int64(n))
	}
	if s.keep != nil {
		s.keep.cut[d] = true
	}
}

package http2

import "github.com/pitot-io/pitot/internal/event"

// dataOf is the stream whose DATA frame begins in direction d; nil when nobody
// wants it.
func (t *conn) dataOf(d event.Dir) *stream {
	h := &t.half[d]
	s := t.set.find(h.frame.stream)
	if s == nil {
		if s = t.latecomer(h.frame.stream, h.at); s == nil {
			return nil
		}
	}
	if d == event.ToClient && s.x.FirstByte == 0 && !s.answered {
		s.x.FirstByte, s.x.ResponseSeq = h.at, h.seq // of an answer whose beginning was not seen
	}
	s.grew(d, headSize, h.at)
	return s
}

// data takes what b has of a DATA frame, and is how many bytes it used.
func (t *conn) data(d event.Dir, at int64, b []byte) int {
	h := &t.half[d]
	used := 0
	if !h.padKnown {
		h.pad, h.padKnown, used = int(b[0]), true, 1
		if h.rest--; h.pad > h.rest {
			t.lose(d, at, "a frame's padding is longer than the frame")
			return 1
		}
	}
	if n := min(len(b)-used, h.rest-h.pad); n > 0 {
		t.body(d, at, b[used:used+n], used)
		used, h.rest = used+n, h.rest-n
	}
	if h.rest <= h.pad {
		n := min(len(b)-used, h.rest)
		used, h.rest, h.pad = used+n, h.rest-n, h.rest-n
	}
	if h.cur != nil {
		h.cur.grew(d, int64(used), at)
	}
	if h.rest == 0 {
		t.ended(d, at, nil)
	}
	return used
}

// body passes bytes of a body on. They begin at off of those being read.
func (t *conn) body(d event.Dir, at int64, b []byte, off int) {
	s := t.half[d].cur
	if s == nil {
		return
	}
	s.carried(d, int64(len(b)))
	switch {
	case s.tunnel.inner != nil:
		t.feedTunnel(s, d, at, b, off)
	case s.call != nil:
		t.shows(t.half[d].offset, s.id)
		s.call.Data(d, at, b)
	}
	if s.keep != nil {
		s.keep.body(d, b, t.c.Keep.Body)
	}
}

// carried counts bytes of a body.
func (s *stream) carried(d event.Dir, n int64) {
	switch {
	case s.told: // they are the tunnel's
	case d == event.ToServer:
		s.p.RequestBody += n
	default:
		s.p.ResponseBody += n
	}
}

func (t *conn) dataEnded(d event.Dir, at int64) {
	h := &t.half[d]
	s := h.cur
	h.cur = nil
	if s == nil {
		return
	}
	s.last = max(s.last, at)
	if h.frame.has(flagEndStream) {
		t.closeSide(s, d, at)
	}
}

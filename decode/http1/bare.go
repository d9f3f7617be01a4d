package http1

import (
	"bytes"

	"github.com/pitot-io/pitot/internal/event"
)

// HTTP/0.9 has requests of one line, "GET /path", and answers that are nothing
// but a body, which lasts until the connection ends. Such a request may be
// followed by nothing at all, so that only the answer's beginning tells that it
// is whole. A server may answer it in HTTP/1.x all the same.

// bare reports whether the answer's next byte, c, begins one of HTTP/0.9.
func (t *conn) bare(at int64, off int, c byte, emit event.Emitter) bool {
	t.oneLine(emit)
	t.mark(event.ToClient, at, off)
	e := t.asker()
	if e == nil || !e.simple || lower(c) == 'h' {
		return false
	}
	t.beginBare(e)
	return true
}

// oneLine takes what the client sent for a request of HTTP/0.9 when it is one
// line that has no version.
func (t *conn) oneLine(emit event.Emitter) {
	h := &t.half[event.ToServer]
	if h.state != between || len(h.buf) == 0 || !h.head.started || !h.head.Simple() || bytes.IndexByte(h.buf, '\n') != len(h.buf)-1 {
		return
	}
	h.head.Reset()
	n, err := t.parse(event.ToServer, append(h.buf, '\r', '\n'))
	if err != nil || n == 0 {
		return
	}
	h.buf = h.buf[:0]
	t.message(event.ToServer, n-2, emit)
}

// beginBare begins the answer to e, whose first byte has been marked.
func (t *conn) beginBare(e *entry) {
	h := &t.half[event.ToClient]
	e.x.FirstByte, e.x.ResponseSeq = h.at, h.seq
	e.answered, h.cur = true, e
	h.head.clear()
	h.head.Framing = UntilClose
	h.body.Reset(UntilClose, 0, Lenient, t.c.Limits)
	h.state, h.bodyAt, h.missed = inBody, h.start, false
}

// bareBuffered reports whether what was taken for the beginning of a head is
// that of an answer of HTTP/0.9, and goes on with it.
func (t *conn) bareBuffered(emit event.Emitter) bool {
	h := &t.half[event.ToClient]
	e := t.asker()
	if e == nil || !e.simple {
		return false
	}
	buf := h.buf
	h.buf = nil
	h.head.Reset()
	h.pos -= int64(len(buf))
	t.beginBare(e)
	t.feedBody(event.ToClient, h.last, buf, emit)
	return true
}

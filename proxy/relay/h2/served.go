package h2

import (
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/proxy/relay"
)

// How a client's streams become exchanges, and how these end.

// section implements side: a request, or the trailers of one.
func (c *serverConn) section(id uint32, end bool, x *wire.Section, large bool) *wire.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.guards.useful()
	s := c.streams.get(id)
	switch {
	case id%2 == 0:
		return &wire.Error{Code: wire.ProtocolError, Reason: "a client opens a stream with an even number"}
	case s != nil:
		return c.trailers(s, end, x, large)
	case id <= c.lastSeen:
		return c.stray(wire.Header{Type: wire.FrameHeaders, Stream: id}, nil)
	}
	c.lastSeen = id
	switch {
	case c.going == decided:
		c.past.add(id, byUs)
		return nil // RFC 9113, 6.8: the client knows that it is not served
	case c.open >= c.srv.o.MaxStreams, c.running >= 2*c.srv.o.MaxStreams:
		return &wire.Error{Code: wire.RefusedStream, Stream: id, Reason: "too many streams at once"}
	}
	return c.request(id, end, x, large)
}

// request opens a stream. Locked.
func (c *serverConn) request(id uint32, end bool, x *wire.Section, large bool) *wire.Error {
	r := c.srv.requests.Get().(*request)
	r.srv = c
	r.r.L, r.w.L = &c.mu, &c.mu
	r.open(&c.conn, id)
	r.beganAt, r.received = c.now, int64(c.size)
	reason, status := "", 431
	if !large {
		reason, status = r.parse(x, end)
	}
	if end {
		r.recvEnd = true
	}
	switch {
	case reason != "":
		r.refused = &http1.Error{Status: 400, Detail: "http2.protocol_error"}
		r.muted = true
	case status == 431:
		r.refused = &http1.Error{Status: status, Detail: "http2.headers_too_large"}
	case status != 0:
		r.refused = &http1.Error{Status: status, Detail: "missing_host_header"}
	}
	c.fresh = append(c.fresh, r)
	c.running++
	if reason != "" {
		return &wire.Error{Code: wire.ProtocolError, Stream: id, Reason: reason}
	}
	return nil
}

// trailers takes the fields after a request's body (RFC 9113, 8.1). Locked.
func (c *serverConn) trailers(s *stream, end bool, x *wire.Section, large bool) *wire.Error {
	if s.recvEnd || s.closed() {
		return c.stray(wire.Header{Type: wire.FrameHeaders, Stream: s.id}, s)
	}
	s.received += int64(c.size)
	return c.takeTrailers(s, end, x, large)
}

func (c *conn) takeTrailers(s *stream, end bool, x *wire.Section, large bool) *wire.Error {
	wrong := func(reason string) *wire.Error {
		return &wire.Error{Code: wire.ProtocolError, Stream: s.id, Reason: reason}
	}
	switch reason := malformed(x, true); {
	case !end:
		return wrong("trailers that do not end the stream")
	case large:
		return &wire.Error{Code: wire.EnhanceYourCalm, Stream: s.id, Reason: "trailers are larger than allowed"}
	case reason != "":
		return wrong(reason)
	}
	if err := s.hold(nil, true); err != nil {
		return err
	}
	s.trailers = s.take(x, s.trailers[:0])
	s.endRecv()
	c.touch(s)
	return nil
}

// begin implements side.
func (c *serverConn) begin() {
	if len(c.fresh) == 0 {
		return
	}
	c.exchanges.Add(len(c.fresh))
	c.srv.workers.carry(c.now, c.fresh...)
	clear(c.fresh)
	c.fresh = c.fresh[:0]
}

// step carries the exchange on, in r.worker's goroutine. It reports whether that
// is over; if not, r is somebody else's from then on.
func (r *request) step() (over bool) {
	c, over := r.srv, true
	switch {
	case r.goOn != nil:
		over = r.goOn()
	case r.refused != nil:
		c.srv.engine.Malformed(r, r.refused)
	default:
		over = c.srv.engine.Carry(c.ctx, r)
	}
	if over {
		r.worker.later(&c.conn)
		r.end(c)
	}
	return over
}

// end ends the use of the stream.
func (r *request) end(c *serverConn) {
	c.mu.Lock()
	if !r.closed() {
		switch {
		case r.sentEnd: // RFC 9113, 8.1: the rest of the request is not wanted
			r.reset(wire.NoError, relay.ErrInterrupted)
		default:
			r.reset(wire.InternalError, relay.ErrInterrupted)
		}
	}
	r.discard()
	if r.lent != nil {
		c.takenBack(len(r.lent))
	}
	c.running--
	c.leave(&r.stream)
	c.mu.Unlock()
}

// Alone implements relay.Sharing.
func (r *request) Alone() {
	if w := r.worker; w != nil {
		w.pool.leave(w)
	}
}

// alone implements user.
func (r *request) alone() { r.Alone() }

// Resume implements relay.Sharing.
func (r *request) Resume(f func() (over bool)) {
	r.goOn = f
	r.srv.srv.workers.carry(0, r)
}

// Later implements relay.Sharing.
func (r *request) Later(f relay.Flusher) error {
	a, ok := f.(*attempt)
	switch {
	case r.worker.alone, !ok && f != relay.Flusher(r):
		return f.Flush()
	case ok:
		r.worker.later(&a.link.conn)
	default:
		r.worker.later(r.c)
	}
	return nil
}

// recycle implements user.
func (r *request) recycle() {
	pool := &r.srv.srv.requests
	r.forget()
	r.srv, r.refused, r.muted, r.worker, r.goOn = nil, nil, false, nil, nil
	pool.Put(r)
}

// goAway implements side: the client opens no more streams, as it will.
func (c *serverConn) goAway(uint32, wire.Code) {}

// idle implements side.
func (c *serverConn) idle(id uint32) bool { return id > c.lastSeen || id%2 == 0 }

// spare implements side.
func (c *serverConn) spare() {
	if c.going == decided && c.streams.n == 0 {
		c.shutWhenWritten()
	}
}

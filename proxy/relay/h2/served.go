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
	for i, r := range c.fresh {
		c.fresh[i] = nil
		c.exchanges.Add(1)
		c.srv.workers.carry(r)
	}
	c.fresh = c.fresh[:0]
}

// run carries the exchange out, in a worker's goroutine. It gives the connection,
// which waits for it, and about the time.
func (r *request) run() (c *serverConn, now int64) {
	c = r.srv
	if r.refused != nil {
		c.srv.engine.Malformed(r, r.refused)
	} else {
		c.srv.engine.Carry(c.ctx, r)
	}
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
	now = c.readAt
	c.mu.Unlock()
	c.flush()
	return c, now
}

// recycle implements user.
func (r *request) recycle() {
	pool := &r.srv.srv.requests
	r.forget()
	r.srv, r.refused, r.muted = nil, nil, false
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

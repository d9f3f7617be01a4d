package h1

import (
	"bytes"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/hop"
)

func (e *exchange) untilClose() bool { return e.resp.Framing == http1.UntilClose }

// received handles new bytes of the answer: true when nothing more of it is to
// be read.
func (e *exchange) received() bool {
	for !e.answered {
		n, err := e.resp.ParseResponse(e.up.bytes(), http1.Strict, e.conn.srv.o.Limits, e.req.Method)
		switch {
		case err != nil:
			e.broken = hop.UpstreamFault(err)
			return true
		case n == 0:
			return false
		case e.resp.Interim():
			if !e.interim(n) {
				return true
			}
		case e.resp.Status == 101 && (len(e.upgrade) == 0 || !bytes.EqualFold(e.resp.Get("upgrade"), e.upgrade)):
			e.broken = hop.UnaskedUpgrade
			return true
		default:
			return e.answer(n)
		}
	}
	return e.relay()
}

// interim passes on an answer of class 1xx, which a client of HTTP/1.0 would
// not understand (RFC 9110, 15.2).
func (e *exchange) interim(n int) bool {
	e.up.r += n
	e.a.X.FirstByte = 0 // the final answer's is what counts
	if e.req.Minor == 0 {
		return true
	}
	http1.FillResponse(&e.x, &e.p, &e.resp)
	e.out = e.appendAnswer(e.out[:0], false)
	return e.write(e.out)
}

// answer passes on the final answer's head, n bytes long, and what came of its
// body with it.
func (e *exchange) answer(n int) bool {
	h := &e.resp
	e.up.r += n
	e.plain = h.Framing == http1.Chunked && e.req.Minor == 0
	e.respBody.Reset(h.Framing, h.Length, http1.Strict, e.conn.srv.o.Limits)
	tunnel := h.Status == 101 || h.Tunnel()
	m, wire, err := e.unframe(e.up.bytes())
	switch {
	case err != nil:
		e.broken = hop.UpstreamFault(err)
		return true
	case tunnel && !e.read.Load():
		e.broken = hop.UnaskedUpgrade
		return true
	}
	e.answered, e.failing = true, hop.Failing(e.host, h)
	if e.a.X.FirstByte == 0 { // it came together with an interim one
		e.a.X.FirstByte = time.Now().UnixNano()
	}
	e.x.FirstByte = e.a.X.FirstByte
	hop.Heed(e.host, h.Fields, e.a.X.FirstByte)
	http1.FillResponse(&e.x, &e.p, h)
	if e.keep && !tunnel {
		e.keep = !e.untilClose() && !e.plain && e.read.Load() && !e.conn.srv.ending()
	}
	e.pass.Answer(h, &e.req, &e.x)
	e.out = e.appendAnswer(e.out[:0], tunnel)
	if tunnel {
		if e.write(e.out) {
			e.tunnel = e.via
		}
		return true
	}
	if !e.writeBoth(e.out, wire) {
		return true
	}
	e.up.r += m
	if e.respBody.Done() {
		e.done = true
		return true
	}
	e.conn.streaming()
	return false
}

// writeBoth writes head and body in one go. The body lies in the answer's
// buffer, and the head is put in front of it, where the old one was.
func (e *exchange) writeBoth(head, body []byte) bool {
	if len(body) == 0 {
		return e.write(head)
	}
	at := e.up.r - len(head)
	if at < 0 {
		e.out = append(head, body...)
		return e.write(e.out)
	}
	copy(e.up.buf[at:], head)
	return e.write(e.up.buf[at : e.up.r+len(body)])
}

// relay passes on more of the body.
func (e *exchange) relay() bool {
	m, wire, err := e.unframe(e.up.bytes())
	if err != nil {
		e.broken = hop.UpstreamFault(err)
		return true
	}
	if len(wire) > 0 && !e.write(wire) {
		return true
	}
	e.conn.moved.Store(e.conn.srv.watch.Clock())
	e.up.r += m
	e.done = e.respBody.Done()
	return e.done
}

// unframe takes the bytes of b that belong to the body. wire is what the client
// gets of them: all, or for a client of HTTP/1.0 the payload, which is moved to
// the front of b.
func (e *exchange) unframe(b []byte) (n int, wire []byte, err error) {
	if !e.plain {
		n, _, _, err = e.respBody.Next(b)
		return n, b[:n], err
	}
	kept := 0
	for n < len(b) && !e.respBody.Done() {
		k, data, err := e.respBody.Data(b[n:])
		if err != nil {
			return n, nil, err
		}
		kept += copy(b[kept:], data)
		n += k
	}
	return n, b[:kept], nil
}

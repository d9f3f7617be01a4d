package http1

import (
	"github.com/pitot-io/pitot/internal/event"
)

// begin reads the body that the head of direction d announced.
func (t *conn) begin(d event.Dir, emit event.Emitter) {
	h := &t.half[d]
	h.body.Reset(h.head.Framing, h.head.Length, Lenient, t.c.Limits)
	h.state, h.bodyAt = inBody, h.pos
	if h.cur != nil && h.cur.call != nil {
		h.body.collect = true
	}
	if h.body.Done() {
		t.ended(d, emit)
	}
}

// entry is a new exchange of this connection.
func (t *conn) entry() *entry {
	e := t.queue.make()
	e.x.Client, e.x.Server, e.x.Stream = t.c.Client, t.c.Server, t.c.Stream
	if t.c.MidStream {
		e.x.Decode |= event.MidStream
	}
	return e
}

// unasked is an exchange for an answer whose request was not seen.
func (t *conn) unasked() *entry {
	h := &t.half[event.ToClient]
	e := t.entry()
	e.asked = true
	e.x.Decode |= event.NoRequest
	e.x.HTTP, e.x.Start, e.x.Name = &e.p, h.at, "HTTP"
	e.x.Protocol, e.p.Version = protocol(&h.head)
	e.p.Scheme = "http"
	t.secure(e)
	return e
}

// secure says that the bytes came out of TLS.
func (t *conn) secure(e *entry) {
	if t.c.Secure {
		e.p.Scheme = "https"
	}
}

// ended closes the message that is being read in direction d.
func (t *conn) ended(d event.Dir, emit event.Emitter) {
	h := &t.half[d]
	e := h.cur
	t.inspectBody(d)
	h.cur, h.state = nil, between
	switch {
	case e == nil:
		return
	case d == event.ToServer:
		e.asked = true
		if e.p.Detail != nil {
			e.p.Detail.RequestEnd = h.last
		}
		t.await(e)
	default:
		e.complete = true
		e.x.End = h.last
	}
	switch {
	case !e.asked || !e.complete:
	case e.switched:
		t.hand(e, emit)
	default:
		t.tell(e, emit)
	}
}

func (t *conn) tell(e *entry, emit event.Emitter) {
	t.send(e, emit)
	t.queue.drop(e)
}

// send tells e, which stays what it is.
func (t *conn) send(e *entry, emit event.Emitter) {
	if e.p.Detail != nil {
		e.keepBodies(t.c.Keep.Body)
	}
	if e.call == nil {
		emit.Exchange(&e.x)
		return
	}
	e.call.Finish(&e.x)
	emit.Exchange(&e.x)
	e.call.Told()
	e.call = nil
}

// unanswered tells an exchange that never got its answer.
func (t *conn) unanswered(e *entry, at int64, emit event.Emitter) {
	e.x.Decode |= event.NoResponse
	e.x.Status, e.x.ErrorType = event.Error, event.ErrUnanswered
	e.x.End = at
	if e.x.Decode&event.RequestGap != 0 && t.half[event.ToClient].last == 0 { // nothing of the server
		t.missing(e, at, emit)
		t.forget(e)
		return
	}
	t.tell(e, emit)
}

// forget is tell for an exchange that is none.
func (t *conn) forget(e *entry) {
	if e.call != nil {
		e.call.Finish(&e.x)
		e.call.Told()
		e.call = nil
	}
	t.queue.drop(e)
}

package h1

import (
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
)

// unreadable fills in what is known of a request whose head cannot be read.
func (e *exchange) unreadable() {
	e.x.HTTP, e.x.Kind, e.x.Name, e.x.Protocol = &e.p, event.Server, "HTTP", event.HTTP11
	e.p.Scheme, e.p.Version = "http", "1.1"
	e.x.RequestBytes = int64(len(e.conn.in.bytes()))
	e.req.Method, e.req.Minor = nil, 1
	e.reqBody = http1.Body{}
	hop.Identify(&e.x)
}

// arrive ends the span of an attempt; f is nil when it was answered in order.
func (e *exchange) arrive(f *hop.Failure) {
	e.a.X.End = time.Now().UnixNano()
	e.x.End = e.a.X.End
	e.a.End(&e.x, e.host, &hop.Outcome{
		Failure: f, Answered: e.answered, Status: e.resp.Status, Failing: e.failing,
		RequestBody: e.reqBody.Payload, ResponseBody: e.respBody.Payload,
	})
	if e.conn.srv.o.AttemptSpans {
		e.conn.out.Exchange(&e.a.X)
	}
}

// log writes the exchange down.
func (e *exchange) log() {
	if e.conn.srv.o.Log == nil {
		return
	}
	o := hop.Over{RequestEnd: e.requestEnd}
	if e.host != nil {
		o.Attempt = &e.a.X
	}
	h := &e.req
	if len(h.Method) == 0 { // it could not be read
		h = nil
	}
	e.pass.Log(h, &e.x, o)
}

// finish tells the exchange.
func (e *exchange) finish() {
	c := e.conn
	if e.host == nil || e.x.End == 0 || e.x.Flags != 0 {
		e.x.End = time.Now().UnixNano()
	}
	e.p.RequestBody = e.reqBody.Payload
	e.x.RequestBytes += e.taken
	if e.answered {
		e.p.ResponseBody = e.respBody.Payload
	}
	e.pass.End(&e.x)
	c.srv.o.Stats.RequestEnds(e.p.StatusCode, e.x.RequestBytes, e.x.ResponseBytes, e.x.Flags&event.FlagDC != 0)
	c.out.Exchange(&e.x)
	e.log()
	if e.tunnel != nil {
		c.out.Notice(&event.Notice{Time: e.x.End, Name: event.EventUpgraded, Service: e.x.Service, TraceID: e.x.TraceID,
			Body: "http1: connection goes on as " + e.p.Upgrade})
	}
	if e.begun { // what the pump read beyond the body is the next request's
		c.in.release(&c.srv.buffers)
		c.in, e.rest = e.rest, window{}
	}
}

package h1

import (
	"strconv"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// proxyName is the service that asks in a client span, where the client of the
// exchange has no name.
const proxyName = "pitot"

// identify gives the exchange its ids: its trace is the request's, where that
// brought one.
func (e *exchange) identify() {
	if e.x.TraceID.IsZero() {
		e.x.TraceID = newTraceID()
	}
	e.x.SpanID = newSpanID()
}

// unreadable fills in what is known of a request whose head cannot be read.
func (e *exchange) unreadable() {
	e.x.HTTP, e.x.Kind, e.x.Name, e.x.Protocol = &e.p, event.Server, "HTTP", event.HTTP11
	e.p.Scheme, e.p.Version = "http", "1.1"
	e.x.RequestBytes = int64(len(e.conn.in.bytes()))
	e.req.Method, e.req.Minor = nil, 1
	e.reqBody = http1.Body{}
	e.identify()
}

// depart begins the span of an attempt.
func (e *exchange) depart(up *upstream.Conn) {
	x := &e.x
	e.ax = event.Exchange{
		TraceID: x.TraceID, SpanID: newSpanID(), ParentID: x.SpanID, TraceState: x.TraceState,
		Kind: event.Client, Protocol: x.Protocol, Name: x.Name, Service: x.Peer, Peer: x.Service,
		Start: e.now, Listener: x.Listener, Route: x.Route, Cluster: x.Cluster, Endpoint: x.Endpoint,
		Attempt: x.Attempt, Stream: x.Stream, Decode: x.Decode & event.Redacted,
	}
	if e.ax.Service == "" {
		e.ax.Service = proxyName
	}
	if x.Attempt > 0 {
		e.ax.Start = time.Now().UnixNano()
	}
	e.ax.Server = e.host.AddrPort()
	if up != nil {
		e.ax.Client, e.ax.Server = up.Local(), up.Remote()
	}
}

// arrive ends the span of an attempt; f is nil when it was answered in order.
func (e *exchange) arrive(f *failure) {
	ax := &e.ax
	ax.End = time.Now().UnixNano()
	e.x.End = ax.End
	e.host.Transferred(ax.ResponseBytes, ax.RequestBytes)
	if e.answered {
		e.host.Completed(e.resp.Status, time.Duration(ax.End-ax.Start))
	}
	if f != nil {
		e.count(f)
	}
	if !e.conn.srv.o.AttemptSpans {
		return
	}
	e.ap = e.p
	ax.HTTP = &e.ap
	e.ap.RequestBody, e.ap.ResponseBody = e.reqBody.Payload, e.respBody.Payload
	switch {
	case f != nil:
		ax.Flags, ax.StatusMessage = f.flags, f.detail
		ax.Status, ax.ErrorType = event.Error, f.flags.String()
		if !e.answered {
			e.ap.ResponseBody, ax.Decode = 0, ax.Decode|event.NoResponse
		}
	case e.resp.Status >= 400: // semantic conventions: for a client, 4xx is an error too
		ax.Status, ax.ErrorType = event.Error, e.x.ErrorType
		if ax.ErrorType == "" {
			ax.ErrorType = decode.View(strconv.AppendInt(e.code[:0], int64(e.resp.Status), 10))
		}
	}
	e.conn.out.Exchange(ax)
}

// count counts a failed attempt at its host.
func (e *exchange) count(f *failure) {
	switch {
	case f.flags&(event.FlagUT|event.FlagSI) != 0:
		e.host.Failed(upstream.Timeout)
	case f.flags&(event.FlagUC|event.FlagUR) != 0:
		e.host.Failed(upstream.RxReset)
	case f.flags&event.FlagUPE != 0:
		e.host.Failed(upstream.ProtocolError)
	case f.flags&event.FlagDC != 0:
		e.host.Failed(upstream.Cancelled)
	case f.flags&event.FlagUF == 0:
		e.host.Failed(upstream.TxReset)
	}
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
	c.srv.o.Stats.RequestEnds(e.p.StatusCode, e.x.RequestBytes, e.x.ResponseBytes, e.x.Flags&event.FlagDC != 0)
	c.out.Exchange(&e.x)
	if e.tunnel != nil {
		c.out.Notice(&event.Notice{Time: e.x.End, Name: event.EventUpgraded, Service: e.x.Service, TraceID: e.x.TraceID,
			Body: "http1: connection goes on as " + e.p.Upgrade})
	}
	if e.begun { // what the pump read beyond the body is the next request's
		c.in.release(&c.srv.buffers)
		c.in, e.rest = e.rest, window{}
	}
}

package relay

import (
	"bytes"
	"cmp"
	"io"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
)

// forward makes the request's head as the upstream gets it.
func (e *exchange) forward() {
	e.rules.Forward(e.req, &e.x)
	e.out = *e.req
	e.out.Fields = e.rules.Fields
	e.out.Upgrade = e.upgrade
	e.timeout = int64(e.rules.Timeout())
	e.still.Store(int64(cmp.Or(e.route.Idle, e.g.o.StreamIdle)))
	if e.rpc.timeout > 0 {
		e.limit.Store(e.rpc.lower(e.route.MaxGRPCTimeout, e.since))
	}
	if e.whole && e.timeout > 0 {
		e.deadline.Store(e.now + e.timeout)
	}
}

// try makes one attempt, and waits for its end: nil when the answer has been
// passed on to its end.
func (e *exchange) try(how How) *hop.Failure {
	f, sent := e.open(how)
	if !sent {
		return f
	}
	e.receive()
	return e.endTry()
}

// open begins an attempt, and sends the request; false when there is none.
func (e *exchange) open(how How) (f *hop.Failure, ok bool) {
	e.tellAttempt()
	e.closeVia()
	e.attempt, e.stale = attempt{}, false
	how.High, how.Wait = e.rules.Want.High, e.wait
	how.Timed = e.deadline.Load() != 0 || e.limit.Load() != 0
	up, err := e.g.o.Dialer(e.rules.Cluster).Open(e.ctx, e.host, how)
	if err != nil {
		e.a.Begin(&e.x, e.host, nil, e.now)
		f := e.connectFault(err)
		e.arrive(f)
		return f, false
	}
	e.via = up
	e.a.Begin(&e.x, e.host, up.Conn(), e.now)
	if _, ok := up.(Telling); !ok {
		e.keepGoroutine()
	}
	if e.cutShort = !e.attach(up); !e.cutShort {
		e.sendErr = e.send() // there may be an answer that tells why
	}
	return nil, true
}

// endTry ends an attempt: nil when its answer has been passed on to its end.
func (e *exchange) endTry() *hop.Failure {
	e.stopUpload()
	f := e.outcome(e.detach())
	e.stale = f != nil && e.again()
	if !e.opened { // else it has arrived already
		e.arrive(f)
	}
	e.closeVia()
	return f
}

// closeVia ends the use of the attempt's connection.
func (e *exchange) closeVia() {
	if e.via != nil && !e.closed {
		e.closed = true
		e.via.Close()
	}
}

// again reports whether the attempt met a kept connection that its peer was
// closing, so that another may be made: when nothing of it was acted on, or
// when sending it twice does no harm (RFC 9110, 9.2.2). All of it must still be
// here.
func (e *exchange) again() bool {
	if e.begun || e.headed || e.cutBy() != notCut || e.opened {
		return false
	}
	return e.via.Unsent() || e.via.Reused() && e.via.Wire().Received == 0 && e.repeatable()
}

func (e *exchange) connectFault(err error) *hop.Failure {
	switch why := e.cutBy(); {
	case e.ctx.Err() != nil:
		return hop.ProxyEnds
	case why != notCut:
		return e.cutCause(why)
	}
	return hop.ConnectFault(err)
}

// receive takes the answer and passes it on. It reports false when it waits for
// that, and e is somebody else's.
func (e *exchange) receive() (over bool) {
	for !e.cutShort {
		if e.leaves(false) {
			return false
		}
		if e.readErr = e.via.Answer(&e.resp); e.readErr != nil {
			return true
		}
		switch {
		case !e.resp.Interim():
			return e.pass()
		case !e.interim(&e.resp):
			return true
		}
	}
	return true
}

// send sends the request, or its beginning, and lets the rest follow.
func (e *exchange) send() error {
	up := e.via
	span := e.x.SpanID
	if e.g.o.AttemptSpans {
		span = e.a.X.SpanID
	}
	e.rules.At(&e.out, &e.x, span)
	e.rpc.propagate(&e.out, e.limit.Load())
	trailers := e.trailers(e.c, e.whole)
	end := e.whole && !e.tunnels() && len(e.first) == 0 && len(trailers) == 0
	if err := up.Send(&e.out, end); err != nil || end {
		return e.flushed(up, err)
	}
	if e.tunnels() {
		return up.Flush()
	}
	if len(e.first) > 0 {
		if err := e.push(up, e.first); err != nil {
			return err
		}
	}
	if e.whole {
		err := e.flushed(up, up.Finish(trailers))
		e.dropped(up)
		return err
	}
	e.startUpload()
	return nil
}

func flushed(f Flusher, err error) error {
	if err != nil {
		return err
	}
	return f.Flush()
}

// trailers are the fields after a body that has ended, those that may stand
// there (RFC 9110, 6.5.1).
func (e *exchange) trailers(b Body, ended bool) []http1.Field {
	if !ended {
		return nil
	}
	all := b.Trailers()
	kept := all[:0]
	for i := range all {
		switch f := &all[i]; f.ID {
		case http1.Connection, http1.ContentLength, http1.TransferEncoding, http1.HostField, http1.Expect, http1.UpgradeField,
			http1.KeepAliveField, http1.ProxyConnection, http1.TE, http1.Trailer, http1.HTTP2Settings, http1.XForwardedFor,
			http1.XForwardedProto, http1.XForwardedHost:
		default:
			if !hop.TellsCert(f) {
				kept = append(kept, *f)
			}
		}
	}
	return kept
}

// interim passes on an answer of class 1xx, which a client of HTTP/1.0 would
// not understand (RFC 9110, 15.2).
func (e *exchange) interim(h *Head) bool {
	if e.req.Minor == 0 {
		return true
	}
	http1.FillResponse(&e.x, &e.p, h)
	visible(h)
	return e.write(e.flushed(e.c, e.c.Interim(h)))
}

// visible drops the fields of the upstream's connection.
func visible(h *Head) {
	kept := h.Fields[:0]
	for i := range h.Fields {
		if f := &h.Fields[i]; !f.Hop {
			kept = append(kept, *f)
		}
	}
	h.Fields = kept
}

// write takes what writing to the client came to.
func (e *exchange) write(err error) bool {
	if err != nil {
		e.gone = true
	}
	return err == nil
}

// pass passes on the final answer. It reports false when it waits for the rest,
// and e is somebody else's.
func (e *exchange) pass() (over bool) {
	h, up := &e.resp, e.via
	tunnel := h.Status == 101 || e.req.Form == http1.Authority && h.Status >= 200 && h.Status < 300
	if h.Status == 101 && !e.asked101() {
		e.broken = hop.UnaskedUpgrade
		return true
	}
	n, end := up.Ready()
	if n == 0 && !end {
		if e.readErr = faultOf(up); e.readErr != nil {
			return true
		}
	}
	e.headed, e.failing = true, hop.Failing(e.host, h)
	if e.rpc.on {
		e.counts = hop.CallStatus(h.Get("grpc-status"))
	}
	e.streaming.Store(true)
	e.x.FirstByte = time.Now().UnixNano()
	e.a.X.FirstByte = cmp.Or(e.a.X.FirstByte, e.x.FirstByte) // it may have been held back
	hop.Heed(e.host, h.Fields, e.x.FirstByte)
	e.filled()
	e.shadowAnswer()
	none := !tunnel && (h.Framing == http1.NoBody || n == 0 && end && len(up.Trailers()) == 0)
	visible(h)
	if _, may := e.via.(Trailing); may && h.Framing == http1.Length && takesTrailers(e.req) {
		h.Framing = http1.Chunked // there may be some, which HTTP/1.1 has after chunks only
	}
	e.rules.Answer(h, e.req, &e.x)
	e.tunnelled.Store(tunnel) // before the client knows: from there on its end is that of one direction
	if !e.write(e.c.Answer(h, none)) {
		return true
	}
	e.answered = true
	switch {
	case tunnel:
		e.opened = true
		e.carryTunnel()
	case none:
		e.done = e.write(e.flushed(e.c, nil))
	default:
		return e.passBody()
	}
	return true
}

// takesTrailers reports whether the client says so (RFC 9110, 10.1.4).
func takesTrailers(h *Head) bool {
	for i := range h.Fields {
		if f := &h.Fields[i]; f.ID == http1.TE && bytes.Contains(bytes.ToLower(f.Value), []byte("trailers")) {
			return true
		}
	}
	return false
}

// asked101 reports whether the protocol that the upstream changes to is the one
// that it was asked for. HTTP/2 does not name it.
func (e *exchange) asked101() bool {
	h := &e.resp
	if len(h.Upgrade) == 0 {
		h.Upgrade = h.Get("upgrade")
	}
	if e.via.Wire().Stream != 0 {
		h.Upgrade = e.upgrade
	}
	return len(e.upgrade) > 0 && e.read.Load() == (string(e.req.Method) != "CONNECT") && bytes.EqualFold(h.Upgrade, e.upgrade)
}

// filled tells what the answer's head says.
func (e *exchange) filled() {
	http1.FillResponse(&e.x, &e.p, &e.resp)
	if e.resp.Status == 101 && e.h2.StreamID != 0 { // RFC 8441, 5: what the client gets
		e.p.StatusCode = 200
	}
	e.answerLayer()
}

// piecesAtOnce is how many pieces of a body an exchange passes on before it has
// a goroutine for itself.
const piecesAtOnce = 16

// passBody passes on the answer's body and what comes after it. It reports false
// when it waits for some, and e is somebody else's.
func (e *exchange) passBody() (over bool) {
	up := e.via
	for pieces := 0; ; pieces++ {
		if pieces == piecesAtOnce {
			e.keepGoroutine()
		}
		if n, end := up.Ready(); n == 0 && !end {
			if !e.write(e.flushed(e.c, nil)) {
				return true
			}
			if e.leaves(true) {
				return false
			}
		}
		b, err := up.Next()
		if err != nil {
			if e.readErr = err; err == io.EOF {
				e.readErr = nil
				trailers := e.trailers(up, true)
				hop.Heed(e.host, trailers, time.Now().UnixNano())
				e.callEnds(trailers)
				e.endAnswer(trailers)
			}
			return true
		}
		e.got += int64(len(b))
		e.layer.data(event.ToClient, b)
		if e.shadows.hash != nil {
			_, _ = e.shadows.hash.Write(b) // never fails
		}
		e.moved.Store(e.g.watch.Clock())
		if !e.deliver(b) {
			return true
		}
	}
}

func (e *exchange) endAnswer(trailers []http1.Field) {
	e.layer.trailers(event.ToClient, trailers)
	e.rules.Trailers(trailers)
	e.done = e.write(e.flushed(e.c, e.c.Finish(trailers)))
	e.dropped(e.c)
}

// dropped counts trailers that an end of the exchange had no place for.
func (e *exchange) dropped(end any) {
	if d, ok := end.(Dropping); ok && d.Dropped() {
		e.g.o.Stats.TrailersDropped()
	}
}

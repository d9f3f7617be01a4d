package relay

import (
	"errors"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
)

// outcome is why an attempt came to no good end; nil when it did.
func (e *exchange) outcome(why cut) *hop.Failure {
	switch {
	case e.done, e.opened:
		return nil
	case why != notCut:
		return e.cutCause(why)
	case e.gone:
		return hop.ClientGone
	case e.broken != nil:
		return e.broken
	case e.bad != nil:
		return e.bad
	case errors.Is(e.readErr, ErrInterrupted), e.ctx.Err() != nil:
		return hop.ProxyEnds
	case malformed(e.readErr):
		return hop.UpstreamFault(e.readErr)
	}
	return e.lost()
}

// malformed reports whether err says that the peer broke the protocol.
func malformed(err error) bool {
	var bad *http1.Error
	return errors.As(err, &bad)
}

// lost is for an upstream that went away.
func (e *exchange) lost() *hop.Failure {
	reset := errors.Is(e.readErr, ErrReset) || errors.Is(e.sendErr, ErrReset) || errors.Is(e.pumpErr, ErrReset)
	switch {
	case e.headed && reset:
		return hop.UpstreamBroke
	case e.headed:
		return hop.UpstreamCut
	case reset:
		return hop.UpstreamReset
	}
	return hop.UpstreamClosed
}

// arrive ends the span of an attempt; f is nil when it was answered in order.
func (e *exchange) arrive(f *hop.Failure) {
	ax := &e.a.X
	ax.End = time.Now().UnixNano()
	e.x.End = ax.End
	if e.via != nil {
		w := e.via.Wire()
		ax.RequestBytes, ax.ResponseBytes = w.Sent, w.Received
		e.ah = event.H2{StreamID: w.Stream}
	} else {
		e.ah = event.H2{}
	}
	e.a.End(&e.x, e.host, &hop.Outcome{
		Failure: f, Answered: e.headed, Status: e.resp.Status, Call: e.counts, Failing: e.failing, RequestBody: e.asked, ResponseBody: e.got,
	})
	if e.x.Protocol = ax.Protocol; e.h2.StreamID != 0 || e.ah.StreamID != 0 {
		e.spoken(ax)
	}
	e.tried = true
}

// spoken notes the version of HTTP that the attempt spoke, which need not be
// the client's.
func (e *exchange) spoken(ax *event.Exchange) {
	if e.ah.StreamID != 0 {
		e.version(ax, &e.a.P, &e.ah)
		return
	}
	ax.Protocol, e.a.P.Version = event.HTTP11, "1.1"
}

// fail ends an exchange that the upstream did not answer, or not to the end.
func (e *exchange) fail(f *hop.Failure) {
	if !e.headed {
		e.reply(f)
		return
	}
	hop.Cut(&e.x, f)
	if f == hop.AnswerTimeout && e.rpc.on && e.answered && !e.gone { // its deadline has passed
		e.endAnswer(e.rpc.trailers(f))
		return
	}
	e.abort(abortReason(f))
	e.ended = true
}

// resets are the codes that reasons have in HTTP/2.
var resets = [...]string{
	Cancelled: "CANCEL", Broken: "INTERNAL_ERROR", Malformed: "PROTOCOL_ERROR", Refused: "REFUSED_STREAM",
	TooMuch: "ENHANCE_YOUR_CALM", NotNeeded: "NO_ERROR", HTTP11Asked: "HTTP_1_1_REQUIRED",
}

// abort breaks the client's side off, and notes in the span that a stream was
// reset; one whose client has gone was not reset by us.
func (e *exchange) abort(r Reason) {
	if e.h2.StreamID != 0 && !e.gone && e.cutBy() != cutGone {
		e.h2.Reset, e.h2.ResetBy = resets[r], "server"
	}
	e.c.Abort(r)
}

func abortReason(f *hop.Failure) Reason {
	switch {
	case f.Flags&event.FlagDPE != 0:
		return Malformed
	case f.Flags&(event.FlagDC|event.FlagUT|event.FlagSI|event.FlagLR) != 0:
		return Cancelled
	}
	return Broken
}

// finish tells the exchange, and ends its use of the client.
func (e *exchange) finish() {
	if !e.ended && !e.read.Load() && !e.opened {
		e.abort(NotNeeded)
	}
	e.c.OnGone(nil)
	e.g.watch.Remove(&e.watched)
	e.tell()
	e.closeVia()
}

// tell tells the spans and the statistics of the exchange, once.
func (e *exchange) tell() {
	if e.told {
		return
	}
	e.told = true
	if e.x.End == 0 || e.x.Flags != 0 {
		e.x.End = time.Now().UnixNano()
	}
	w := e.c.Wire()
	e.x.RequestBytes, e.x.ResponseBytes = w.Received, w.Sent
	e.p.RequestBody = e.asked
	if !e.local && e.headed {
		e.p.ResponseBody = e.got
	}
	e.layer.finish(&e.x)
	if e.anew != nil {
		e.anew.tell()
	}
	e.tellAttempt()
	o := &e.g.o
	e.rules.End(&e.x)
	o.Stats.RequestEnds(e.p.StatusCode, e.x.RequestBytes, e.x.ResponseBytes, e.x.Flags&event.FlagDC != 0)
	e.conn.out.Exchange(&e.x)
	if o.Log != nil {
		e.log()
	}
	e.layer.told()
}

// tellAttempt tells the span of the attempt before.
func (e *exchange) tellAttempt() {
	if !e.tried {
		return
	}
	e.tried = false
	if ax := &e.a.X; e.g.o.AttemptSpans {
		e.call(ax)
		e.conn.out.Exchange(ax)
	}
}

// call has the span of an attempt say what the exchange's does of gRPC.
func (e *exchange) call(ax *event.Exchange) {
	rpc := e.x.GRPC
	if rpc == nil {
		return
	}
	ax.GRPC, ax.Name = rpc, e.x.Name
	if ax.Protocol == event.HTTP2 {
		ax.Protocol = event.GRPC
	}
	if rpc.Status > 0 && ax.Flags == 0 { // semantic conventions: for a client, every code but OK is an error
		ax.Status, ax.ErrorType, ax.StatusMessage = event.Error, event.GRPCStatus(rpc.Status), rpc.Message
	}
}

// log writes the exchange down.
func (e *exchange) log() {
	o := hop.Over{RequestEnd: e.requestEnd.Load()}
	if e.host != nil || e.anew != nil {
		o.Attempt = &e.a.X
	}
	e.rules.Log(e.req, &e.x, o)
}

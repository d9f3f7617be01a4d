package hop

import (
	"cmp"
	"strconv"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// proxyName is the service that asks in a client span, where the client of the
// exchange has no name.
const proxyName = "pitot"

// Identify gives an exchange its ids: its trace is the request's, where that
// brought one.
func Identify(x *event.Exchange) {
	if x.TraceID.IsZero() {
		x.TraceID = newTraceID()
	}
	x.SpanID = newSpanID()
}

// Why there is another attempt where no policy asked for one.
const (
	StaleConnection = "stale connection" // the one that was kept had been closed meanwhile
	NoConnection    = "no connection"    // a host could not be reached
)

// Attempt is the span of one attempt of an exchange at an upstream host.
type Attempt struct {
	X event.Exchange
	P event.HTTP

	Picked  string // why it is at this host; set before Begin
	Retried string // why there is another attempt; likewise

	code [3]byte // a status as text
}

// Begin begins the span of an attempt of x at host, by up where there is a
// connection already. now is when the request's head was there.
func (a *Attempt) Begin(x *event.Exchange, host *upstream.Host, up *upstream.Conn, now int64) {
	a.X = event.Exchange{
		TraceID: x.TraceID, SpanID: newSpanID(), ParentID: x.SpanID, TraceState: x.TraceState,
		Kind: event.Client, Protocol: x.Protocol, Name: x.Name, Service: x.Peer, Peer: x.Service,
		Start: now, Listener: x.Listener, Route: x.Route, Cluster: x.Cluster, Endpoint: x.Endpoint,
		Attempt: x.Attempt, Picked: a.Picked, Retried: a.Retried, Stream: x.Stream, Decode: x.Decode & event.Redacted,
	}
	if a.X.Service == "" {
		a.X.Service = proxyName
	}
	if x.Attempt > 0 {
		a.X.Start = time.Now().UnixNano()
	}
	a.X.Server, a.X.Unix = host.AddrPort(), host.Unix()
	if up != nil {
		a.X.Client, a.X.Server = up.Local(), up.Remote()
	}
}

// Outcome is what became of an attempt.
type Outcome struct {
	Failure  *Failure // nil when it was answered in order
	Answered bool     // the final answer's head has come
	Status   int      // of it
	Call     int      // what the status of a call of gRPC is in HTTP; 0 where none came
	Failing  bool     // the answer said that the host fails

	RequestBody, ResponseBody int64 // bytes of payload
}

// End ends the span at a.X.End and reports it to host. It fills in what x, the
// exchange, says of the answer, for a.X to be told.
func (a *Attempt) End(x *event.Exchange, host *upstream.Host, o *Outcome) {
	ax := &a.X
	r := o.result(ax)
	if o.Failure == nil || o.Failure.Flags&event.FlagUO == 0 { // else the host was not asked
		host.Report(&r)
	}
	a.P = *x.HTTP
	ax.HTTP = &a.P
	a.P.RequestBody, a.P.ResponseBody = o.RequestBody, o.ResponseBody
	switch f := o.Failure; {
	case f != nil:
		ax.Flags, ax.StatusMessage = f.Flags, f.Detail
		ax.Status, ax.ErrorType = event.Error, f.Flags.String()
		if !o.Answered {
			a.P.ResponseBody, ax.Decode = 0, ax.Decode|event.NoResponse
		}
	case o.Status >= 400: // semantic conventions: for a client, 4xx is an error too
		ax.Status, ax.ErrorType = event.Error, x.ErrorType
		if ax.ErrorType == "" {
			ax.ErrorType = decode.View(strconv.AppendInt(a.code[:0], int64(o.Status), 10))
		}
	}
}

// result is what the host's cluster is told of the attempt ax.
func (o *Outcome) result(ax *event.Exchange) upstream.Result {
	r := upstream.Result{Now: ax.End, Took: time.Duration(ax.End - ax.Start), Received: ax.ResponseBytes, Sent: ax.RequestBytes}
	if ax.FirstByte != 0 {
		r.First = time.Duration(ax.FirstByte - ax.Start)
	}
	if o.Answered {
		r.Status, r.Failing = cmp.Or(o.Call, o.Status), o.Failing
	}
	if o.Failure != nil {
		r.Failure = failure(o.Failure)
	}
	return r
}

// failure is f as clusters count it.
func failure(f *Failure) upstream.Failure {
	switch {
	case f == ConnectTimeout:
		return upstream.ConnectTimeout
	case f.Flags&event.FlagUF != 0:
		return upstream.ConnectFailed
	case f.Flags&(event.FlagUT|event.FlagSI) != 0:
		return upstream.Timeout
	case f.Flags&(event.FlagUC|event.FlagUR) != 0:
		return upstream.RxReset
	case f.Flags&event.FlagUPE != 0:
		return upstream.ProtocolError
	case f.Flags&event.FlagDC != 0, f == HedgeLost:
		return upstream.Cancelled
	}
	return upstream.TxReset
}

// Cut notes in x that an answer under way was cut because of f.
func Cut(x *event.Exchange, f *Failure) {
	x.Flags |= f.Flags
	x.StatusMessage = f.Detail
	x.Decode |= event.BodyCut
	if x.Status != event.Error {
		x.Status, x.ErrorType = event.Error, f.Flags.String()
	}
}

// Unanswered notes in x that the client got nothing.
func Unanswered(x *event.Exchange) {
	x.Decode |= event.NoResponse
	x.Status, x.ErrorType = event.Error, event.ErrUnanswered
}

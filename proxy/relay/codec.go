// Package relay carries HTTP exchanges between any two versions of HTTP, on
// sockets or TLS: it reads a request through the codec of the client's
// connection, decides where it goes, sends it through the codec of an
// upstream connection, and brings the answer back. Codecs are proxy/relay/h1
// and proxy/relay/h2; each has a server's and a client's side.
//
// HTTP/1.1 between two plain sockets has a faster way of its own, proxy/h1.
// Both share routes (proxy/route), local replies, forwarding fields, spans
// and access logs, so that nobody can tell which one served a request.
package relay

import (
	"context"
	"errors"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// A head travels as an http1.Head whatever the version, since that is what
// routes, spans and forwarding fields are computed from. A codec of HTTP/2
// fills in Method, Path, Query, HasQuery, Scheme, Host (of :authority),
// Status, Fields (lower-case names, IDs set, without pseudo-fields), Framing
// and Length: NoBody when the head ended the stream, Length when
// content-length was there, else Chunked for "a body of unknown length".
//
// A codec refuses by itself what its protocol calls malformed (RFC 9112, RFC
// 9113 section 8); what arrives here can be written in any version.
//
// An upgrade (RFC 9110, 7.8; RFC 8441) is a head with Upgrade set: its Method
// is as the client sent it, GET or CONNECT. Status 101 says in every version
// that it was agreed to; codecs of HTTP/2 turn that into 200 and back. After it,
// as after 2xx to a plain CONNECT (Form Authority), Next and Write carry the
// tunnel's bytes, and Finish ends one direction. A codec that needs
// Sec-WebSocket-Key or -Accept and has none makes it (AppendAccept); one that
// does not know them drops them.
//
// Cookie fields that HTTP/2 split arrive here joined (RFC 9113, 8.2.3).

// What a codec's calls fail with, besides an *http1.Error, which says how the
// peer broke the protocol (its Status is what a proxy answers then). Codecs wrap
// them.
var (
	ErrClosed      = errors.New("the peer has closed the connection") // in order, but too early
	ErrReset       = errors.New("the peer has broken off")            // a reset of the connection or of the stream
	ErrInterrupted = errors.New("given up")                           // by Interrupt, by Cancel, or because the proxy ends
)

// Wire is what an exchange has cost on one connection so far.
type Wire struct {
	Began          int64  // when the first byte of what the peer sent was there, ns since the Unix epoch; 0 when nothing was
	Received, Sent int64  // bytes of it, heads and framing included
	Stream         uint32 // id of the stream of HTTP/2; 0 for HTTP/1
}

// Body is one direction of an exchange after its head. Its methods may be
// called from another goroutine than the rest of the codec's.
type Body interface {
	// Next lends the next piece of the payload, without any framing. It
	// waits while there is none. The bytes are good until the next call,
	// which also tells the codec that they are taken: only then flow control
	// asks the sender for more. It gives io.EOF, with no bytes, at the end;
	// any other error is why there is no end.
	Next() ([]byte, error)

	// Ready is the number of bytes that Next would lend without waiting,
	// and whether the end comes right after them.
	Ready() (n int, end bool)

	// Trailers are the fields after the body, once Ready says that only the end
	// is left (0, true) or Next has given io.EOF.
	Trailers() []http1.Field
}

// Faulty is a Body that may know of a fault before Next is called: what came
// together with the head breaks the protocol. Then nothing has to be passed on.
type Faulty interface{ Fault() error }

// Trailing is an Upstream whose answer may have trailers that nobody announced,
// after a body of known length too.
type Trailing interface{ Trailing() }

// Dropping is a Client or an Upstream that may have no place for trailers.
type Dropping interface {
	// Dropped reports, after Finish, that its trailers were dropped.
	Dropped() bool
}

func faultOf(b Body) error {
	if f, ok := b.(Faulty); ok {
		return f.Fault()
	}
	return nil
}

// Client is one request under way, held by the codec of its connection. One
// goroutine, the exchange's, calls Interim, Answer, Write, Finish, Flush and
// Abort; one, mostly the same, the methods of Body. The codec may use it for
// something else when Engine.Carry has returned.
type Client interface {
	Body
	Request() *http1.Head
	Conn() *Info
	Wire() Wire

	// Interim sends an answer of class 1xx (not 101).
	Interim(*http1.Head) error
	// Answer sends the final answer's head; end says that there is no body.
	// The fields in it are those to be sent, without Hop ones.
	Answer(h *http1.Head, end bool) error
	// Write sends a piece of the answer's body. It waits while the client
	// takes nothing (flow control); that is what holds the upstream back.
	Write([]byte) error
	// Finish ends the answer.
	Finish(trailers []http1.Field) error
	// Abort ends the exchange before its end: the client sees that the answer
	// is cut, or that there is none. After Finish it is called with NotNeeded
	// where the request was not read to its end.
	Abort(Reason)
	// Interrupt has calls of Next that wait, now or later, fail with
	// ErrInterrupted, and with all those that write, too. It may be called from
	// any goroutine.
	Interrupt(all bool)

	// Flush sends what the codec gathers; called whenever the exchange is
	// about to wait. Codecs may send earlier.
	Flush() error
	// OnGone has f called, once and from any goroutine, when the client
	// cancels the request or leaves. f does not block and calls nothing of the
	// Client's. nil takes it back: when that has returned, f does not run and
	// will not.
	OnGone(f func())
}

// Sharing is a Client whose exchange shares goroutines with others: each carries
// one on until it would wait for its upstream, and then the next one.
type Sharing interface {
	// Alone has the exchange keep the goroutine that it runs in, where it may
	// wait from now on until it is over or resumed: others are carried on
	// elsewhere. It is called in that goroutine; a second time changes nothing.
	Alone()
	// Resume has f called in one of the goroutines. f reports whether the
	// exchange is over; if not it is resumed again. Resume may be called from
	// any goroutine, with any lock held.
	Resume(f func() (over bool))
	// Later is f.Flush, soon, of the Client itself or of an Upstream that is
	// Telling. It is called where Alone is.
	Later(f Flusher) error
}

// Telling is an Upstream that tells when something has come, so that nobody has
// to wait in Answer and Next.
type Telling interface {
	// Tell has f called, once and from any goroutine, as soon as Answer or Next
	// need not wait, and reports false when that is so already: then f is not
	// called. What Next has lent is taken back. f calls nothing of the
	// Upstream's, and does not wait.
	Tell(f func()) bool
}

// Flusher is a Client or an Upstream.
type Flusher interface{ Flush() error }

// Upstream is one attempt at an upstream host. One goroutine calls Send, Write,
// Finish and Flush, and one, mostly the same, Answer and the methods of Body.
type Upstream interface {
	Body // of the answer, after Answer
	// Send sends the request's head; end says that there is no body.
	Send(h *http1.Head, end bool) error
	Write([]byte) error
	Finish(trailers []http1.Field) error
	Flush() error
	// Answer waits for the next head of the answer: interim ones, then the
	// final one. h's slices are good until the attempt's Close.
	Answer(h *http1.Head) error
	// Cancel gives the attempt up. It may be called from any goroutine, at
	// any time before Close; calls that wait return errors.
	Cancel(Reason)
	// Close ends the use of the attempt. Where the exchange has ended in
	// order the connection serves others.
	Close()
	// Conn is the connection used, for spans.
	Conn() *upstream.Conn
	Wire() Wire
	// Reused reports whether the connection had served exchanges before, so
	// that its peer may have been closing it.
	Reused() bool
	// Unsent reports, after a failure, that the peer has surely not acted on
	// the request: nothing was sent, or it said so (GOAWAY with a lower
	// stream id, REFUSED_STREAM: RFC 9113, 8.7).
	Unsent() bool
}

// Dialer makes attempts at hosts of one kind of cluster. A codec gives one.
type Dialer interface {
	// Open takes a kept connection, or a stream on one, or makes one. Its
	// errors are those of host.Dial. ctx ends when the exchange is given up.
	Open(ctx context.Context, host *upstream.Host, how How) (Upstream, error)
	// Drain ends connections as they become idle; Close breaks off the rest.
	Drain()
	Close()
}

// How says which connection an attempt may use.
type How struct {
	Fresh  bool  // a new one, after a kept one turned out to be stale
	Again  bool  // the request may be sent again, so that a kept one needs no look
	Now    int64 // ns since the Unix epoch
	Tunnel bool  // an upgrade or CONNECT
	High   bool  // goes by the circuit breakers of high priority
	Timed  bool  // the exchange has a time by which it is answered, which bounds every wait

	// Alone is called before Open or a call of the attempt's waits, in its
	// goroutine and maybe with locks held. May be nil.
	Alone func()

	// Wait gives what an Open that has to wait does so in: a context that ends
	// when the exchange is given up, and what ends its use. May be nil.
	Wait func() (context.Context, func())
}

// Waits says that Open is about to wait.
func (how *How) Waits() {
	if how.Alone != nil {
		how.Alone()
	}
}

// Waiting is what Open waits in, which was given ctx.
func (how *How) Waiting(ctx context.Context) (context.Context, func()) {
	how.Waits()
	if how.Wait == nil {
		return ctx, func() {}
	}
	return how.Wait()
}

// Reason says why an exchange is given up, in a form that every version can
// tell: HTTP/1.1 closes or resets the connection, HTTP/2 resets the stream.
type Reason uint8

const (
	Cancelled   Reason = iota // whoever asked has gone, or does not want it any more (CANCEL)
	Broken                    // the other side broke off (INTERNAL_ERROR, or what it said)
	Malformed                 // the other side broke the protocol (PROTOCOL_ERROR)
	Refused                   // nothing was done about it (REFUSED_STREAM)
	TooMuch                   // it asks for more than is allowed (ENHANCE_YOUR_CALM)
	NotNeeded                 // the answer is complete, the rest of the request is not wanted (NO_ERROR)
	HTTP11Asked               // only HTTP/1.1 can do it (HTTP_1_1_REQUIRED)
)

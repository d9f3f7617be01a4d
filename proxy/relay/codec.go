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

// Body is one direction of an exchange after its head.
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

	// Trailers are the fields after the body, once Next has given io.EOF.
	Trailers() []http1.Field
}

// Client is one request under way, held by the codec of its connection. The
// exchange's goroutine is the only caller of Next, Interim, Answer, Write,
// Finish and Abort.
type Client interface {
	Body
	Request() *http1.Head

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
	// Abort lets the client see that the answer is cut, or that there is none.
	Abort(Reason)

	// Flush sends what the codec gathers; called whenever the exchange is
	// about to wait. Codecs may send earlier.
	Flush() error
	// OnGone has f called, once and from any goroutine, when the client
	// cancels the request or leaves. f does not block.
	OnGone(f func())
}

// Upstream is one attempt at an upstream host.
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
	// Open takes a kept connection, or a stream on one, or makes one. fresh
	// asks for a new connection, after a kept one turned out to be stale.
	Open(ctx context.Context, host *upstream.Host, fresh bool) (Upstream, error)
	// Drain ends connections as they become idle; Close breaks off the rest.
	Drain()
	Close()
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

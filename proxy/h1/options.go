package h1

import (
	"cmp"
	"context"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/tap"
)

// What this server shares with proxy/relay.
type (
	Route = hop.Route
	Info  = hop.Info
	Stats = hop.Stats
)

// Options make a Server. Zero durations and limits stand for the defaults
// below; negative ones for no limit.
type Options struct {
	hop.Rules

	Listener string // name of the listener, in spans
	Service  string // name of what answers here, for requests that reach no cluster

	Publish func(key int64) event.Emitter // spans of connection number key go there
	Names   tap.Names                     // may be nil
	Plain   *tap.Plain                    // is shown the bytes of clients' connections; none by default

	// WebSocket makes the decoder of what follows an upgrade to that protocol.
	// Where it is nil, as for any other protocol, a tunnel's bytes pass unseen.
	WebSocket func(decode.Conn, decode.Handover) decode.Decoder

	// HTTP2, where set, serves a client that begins to speak HTTP/2 (RFC 9113,
	// 3.4). first is what was read, and shown to Plain with passed. It closes
	// the connection.
	HTTP2 func(ctx context.Context, nc socket.Conn, first []byte, info Info, passed *tap.Passed, done func())

	Stats Stats

	Header     time.Duration // for a request's head, from its first byte
	Request    time.Duration // for a whole request; no limit by default
	Idle       time.Duration // of a connection between requests
	StreamIdle time.Duration // of an exchange in which nothing moves, where its route does not say
	Linger     time.Duration // for a client to take the last answer in before its connection is cut

	Limits       decode.Limits // of heads, requests' and answers'
	Body         int64         // bytes of a request's body, where its route does not say; no limit by default
	AttemptSpans bool          // a client span for each attempt
}

// Defaults of Options.
const (
	DefaultHeader     = time.Minute
	DefaultIdle       = time.Hour
	DefaultStreamIdle = 5 * time.Minute
	DefaultLinger     = time.Second
	DefaultHead       = 60 << 10
	DefaultHeaders    = 100
)

func (o Options) withDefaults() Options {
	if o.Plain == nil {
		o.Plain = new(tap.Plain)
	}
	o.Header = cmp.Or(o.Header, DefaultHeader)
	o.Idle = cmp.Or(o.Idle, DefaultIdle)
	o.StreamIdle = cmp.Or(o.StreamIdle, DefaultStreamIdle)
	o.Linger = cmp.Or(o.Linger, DefaultLinger)
	o.Limits.Head = cmp.Or(o.Limits.Head, DefaultHead)
	o.Limits.Headers = cmp.Or(o.Limits.Headers, DefaultHeaders)
	o.Limits.Text = cmp.Or(o.Limits.Text, decode.DefaultLimits().Text)
	return o
}

package relay

import (
	"cmp"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/tap"
)

// Options make an Engine. Zero durations stand for the defaults below;
// negative ones for no limit.
type Options struct {
	hop.Rules

	Listener string // name of the listener, in spans
	Service  string // name of what answers here, for requests that reach no cluster

	// Dialer is what makes attempts at a cluster's hosts.
	Dialer func(*upstream.Cluster) Dialer

	Publish func(key int64) event.Emitter // spans of connection number key go there
	Names   tap.Names                     // may be nil
	Stats   hop.Stats

	// WebSocket makes the decoder of what follows an upgrade to that protocol.
	// Where it is nil, as for any other protocol, a tunnel's bytes pass unseen.
	WebSocket func(decode.Conn, decode.Handover) decode.Decoder

	// Wrap, where set, stands between clients' codecs and their exchanges: it
	// gives what an exchange is to see, mostly the codec itself.
	Wrap func(Client) Client

	Mirror *MirrorStats // counts copies of requests; must be there where routes have them

	// Layers are protocols that ride on exchanges, asked in order: gRPC.
	Layers []decode.Layer

	Request    time.Duration // for a whole request; no limit by default
	StreamIdle time.Duration // of an exchange in which nothing moves, where its route does not say

	Limits       decode.Limits // Text of what is told
	Body         int64         // bytes of a request's body, where its route does not say; no limit by default
	AttemptSpans bool          // a client span for each attempt
}

// DefaultStreamIdle is the default of Options.StreamIdle.
const DefaultStreamIdle = 5 * time.Minute

func (o Options) withDefaults() Options {
	o.StreamIdle = cmp.Or(o.StreamIdle, DefaultStreamIdle)
	o.Limits.Text = cmp.Or(o.Limits.Text, decode.DefaultLimits().Text)
	return o
}

package proxy

import (
	"context"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/h1"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/relay/alpn"
	relayh1 "github.com/pitot-io/pitot/proxy/relay/h1"
	"github.com/pitot-io/pitot/proxy/relay/h2"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/tap"
)

func (h *httpServer) http2Options() h2.ServerOptions {
	l := h.Listener
	return h2.ServerOptions{
		MaxStreams: l.HTTP2.MaxStreams,
		Limits: h2.Limits{
			Window: int(l.HTTP2.Window), ConnWindow: int(l.HTTP2.ConnWindow), Ping: l.HTTP2.Ping, PingTimeout: l.HTTP2.PingLimit,
			HeaderList: int(l.Limits.Head), Headers: l.Limits.Headers,
			Frame: orNever(l.Timeouts.Header), Idle: orNever(l.Timeouts.Idle),
		},
		Plain: &h.Hub.Plain,
	}
}

// resumeHTTP2 goes on with a client of HTTP/2 that the codec of HTTP/1 has met.
func (h *httpServer) resumeHTTP2(ctx context.Context, c *socket.Stream, first []byte, info hop.Info, passed *tap.Passed, done func()) {
	h.h2.Resume(ctx, c, first, info, passed, done)
}

// resumePlain is resumeHTTP2 for proxy/h1.
func (h *httpServer) resumePlain(ctx context.Context, c socket.Conn, first []byte, info h1.Info, passed *tap.Passed, done func()) {
	h.h2.Resume(ctx, socket.Plain(c), first, info, passed, done)
}

// dialers make attempts at clusters, by what is spoken there.
type dialers struct {
	h1   *relayh1.Dialer
	h2   *h2.Dialer
	auto *alpn.Dialer
}

func newDialers(limits decode.Limits) (d dialers) {
	d.h1 = relayh1.NewDialer(limits)
	heads := h2.Limits{HeaderList: limits.Head, Headers: limits.Headers}
	d.h2 = h2.NewDialer(h2.DialerOptions{Limits: heads, Of: func(h *upstream.Host) *h2.DialerOptions { return dialing(heads, h) }})
	d.auto = alpn.New(d.h1, d.h2)
	return d
}

// dialing is how a host is spoken to in HTTP/2, as its cluster says.
func dialing(l h2.Limits, h *upstream.Host) *h2.DialerOptions {
	c, ok := h.Settings().(*config.ClusterHTTP2)
	if !ok {
		return &h2.DialerOptions{Limits: l}
	}
	l.Window, l.ConnWindow, l.Ping, l.PingTimeout = int(c.Window), int(c.ConnWindow), c.Ping, c.PingLimit
	return &h2.DialerOptions{Limits: l, MaxStreams: c.MaxStreams, MaxConnections: c.MaxConnections}
}

// of is the one for a cluster.
func (d *dialers) of(c *upstream.Cluster) relay.Dialer {
	switch {
	case c.Protocol() == config.HTTP2:
		return d.h2
	case c.Protocol() == config.AutoHTTP && c.Secure():
		return d.auto
	}
	return d.h1
}

func (d *dialers) drain() { d.h2.Drain() }
func (d *dialers) close() { d.h2.Close() }

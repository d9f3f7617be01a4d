package proxy

import (
	"context"
	"net/netip"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/h1"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/relay/grpcweb"
	relayh1 "github.com/pitot-io/pitot/proxy/relay/h1"
	"github.com/pitot-io/pitot/proxy/relay/h2"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/tap"
)

// httpServer serves a listener's HTTP clients, whatever version they speak:
// HTTP/1.x on a plain socket in the fast way, where all clusters speak it on
// plain sockets, too; everything else by way of the engine.
type httpServer struct {
	Setup
	fast   *h1.Server // nil where not all is plain
	engine *relay.Engine
	h1     *relayh1.Server
	h2     *h2.Server
	up     dialers
}

func newHTTP(s Setup) (Handler, error) {
	h := &httpServer{Setup: s}
	resume, resumeFast := h.resumeHTTP2, h.resumePlain
	if !s.Listener.Speaks(config.HTTP20) {
		resume, resumeFast = nil, nil
	}
	if s.plain() {
		h.fast = h1.New(s.fastOptions(resumeFast))
	}
	h.up = newDialers(s.heads())
	h.engine = relay.New(s.engineOptions(h.up.of))
	h.h1 = relayh1.NewServer(h.engine, relayh1.ServerOptions{
		Header: orNever(s.Listener.Timeouts.Header), Idle: orNever(s.Listener.Timeouts.Idle), Limits: s.heads(), Plain: &s.Hub.Plain,
		HTTP2: resume,
	})
	h.h2 = h2.NewServer(h.engine, h.http2Options())
	return h, nil
}

// plain reports whether no connection of the listener's needs the engine.
func (s *Setup) plain() bool {
	if s.Listener.TLS != nil || s.Listener.GRPCWeb || s.Listener.Retries() {
		return false
	}
	if s.Listener.AsksLimiter() || s.Listener.Faulty() || s.Listener.Mirrors() { // which wait, or keep bodies
		return false
	}
	for _, name := range s.Listener.Clusters() {
		if c := s.Clusters[name]; c != nil && (c.Secure() || c.Protocol() == config.HTTP2) {
			return false
		}
	}
	return true
}

// heads are the limits of heads.
func (s *Setup) heads() decode.Limits {
	limits := decode.DefaultLimits()
	limits.Head, limits.Headers = int(s.Listener.Limits.Head), s.Listener.Limits.Headers
	return limits
}

// webSocket is the decoder of what follows an upgrade to that protocol.
func (s *Setup) webSocket() func(decode.Conn, decode.Handover) decode.Decoder {
	for _, p := range s.Protocols {
		if p.Name == "websocket" {
			return p.Take
		}
	}
	return nil
}

func (s *Setup) publish(key int64) event.Emitter { return s.Hub.Publisher(key) }

func (s *Setup) fastOptions(http2 func(context.Context, socket.Conn, []byte, h1.Info, *tap.Passed, func())) h1.Options {
	l := s.Listener
	return h1.Options{
		Listener: l.Name, Service: s.serviceOf(l.Cluster), Rules: s.rules(), Names: s.Names, Plain: &s.Hub.Plain,
		WebSocket: s.webSocket(), HTTP2: http2, Stats: (*httpStats)(s.Stats), Publish: s.publish,
		Header:     orNever(l.Timeouts.Header),
		Request:    orNever(l.Timeouts.Request),
		Idle:       orNever(l.Timeouts.Idle),
		StreamIdle: orNever(l.Timeouts.Stream),
		Limits:     s.heads(), Body: int64(l.Limits.Body), AttemptSpans: s.Attempts,
	}
}

func (s *Setup) engineOptions(dialer func(*upstream.Cluster) relay.Dialer) relay.Options {
	l := s.Listener
	var wrap func(relay.Client) relay.Client
	if l.GRPCWeb {
		wrap = grpcweb.Wrap
	}
	return relay.Options{
		Wrap:     wrap,
		Listener: l.Name, Service: s.serviceOf(l.Cluster), Rules: s.rules(), Dialer: dialer, Names: s.Names,
		Mirror:    &s.Stats.Mirror,
		WebSocket: s.webSocket(), Layers: s.Layers, Stats: (*httpStats)(s.Stats), Publish: s.publish,
		Request:    orNever(l.Timeouts.Request),
		StreamIdle: orNever(l.Timeouts.Stream),
		Limits:     s.heads(), Body: int64(l.Limits.Body), AttemptSpans: s.Attempts,
	}
}

// orNever turns the configuration's 0, no limit, into that of h1.
func orNever(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

func (h *httpServer) Serve(ctx context.Context, c *socket.Stream, first []byte, info ConnInfo, done func()) {
	switch {
	case c.TLS != nil && c.TLS.ConnectionState().NegotiatedProtocol == "h2", !h.Listener.Speaks(config.HTTP11),
		hop.Preface(first) && h.Listener.Speaks(config.HTTP20):
		h.h2.Serve(ctx, c, first, hop.Info(info), done)
	case h.fast != nil && c.TLS == nil:
		h.fast.Serve(ctx, c.Socket, first, h1.Info(info), done)
	default:
		h.h1.Serve(ctx, c, first, hop.Info(info), done)
	}
}

// Drain lets connections end as their exchanges do.
func (h *httpServer) Drain() {
	if h.fast != nil {
		h.fast.Drain()
	}
	h.engine.Drain()
	h.h2.Drain()
	h.up.drain()
}

// Close breaks off what is under way.
func (h *httpServer) Close() {
	if h.fast != nil {
		h.fast.Close()
	}
	h.engine.Close()
	h.h2.Close()
	h.up.close()
}

// Retire is retirer's.
func (h *httpServer) Retire() {
	if h.fast != nil {
		h.fast.Retire()
	}
	h.engine.Retire()
	h.h2.Drain()
	h.up.drain()
}

// serviceOf is the name of what answers in a cluster: as the configuration
// names the listener's own, or the cluster's first endpoint, or the cluster.
func (s *Setup) serviceOf(cluster string) string {
	if s.Listener.Service != "" && cluster == s.Listener.Cluster {
		return s.Listener.Service
	}
	c := s.Clusters[cluster]
	if c == nil {
		return s.Listener.Name
	}
	for _, h := range c.Hosts() {
		if name := s.lookup(h.AddrPort()); name != "" {
			return name
		}
	}
	return cluster
}

func (s *Setup) lookup(a netip.AddrPort) string {
	if s.Names == nil || !a.IsValid() {
		return ""
	}
	return s.Names.Lookup(a)
}

// httpStats lets the HTTP server count on its listener.
type httpStats ListenerStats

func (s *httpStats) RequestBegins() {
	s.RqTotal.Add(1)
	s.RqActive.Add(1)
}

func (s *httpStats) RequestEnds(status int, received, sent int64, reset bool) {
	s.RqActive.Add(-1)
	(*ListenerStats)(s).Completed(status)
	s.Transferred(received, sent)
	if reset {
		s.RqRxReset.Add(1)
	}
}

func (s *httpStats) Transferred(received, sent int64) {
	s.RxBytes.Add(uint64(max(0, received)))
	s.TxBytes.Add(uint64(max(0, sent)))
}

func (s *httpStats) ProtocolError()   { s.CxProtocolError.Add(1) }
func (s *httpStats) IdleTimeout()     { s.CxIdleTimeout.Add(1) }
func (s *httpStats) TrailersDropped() { s.RqTrailers.Add(1) }

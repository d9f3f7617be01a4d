package proxy

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/h1"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/route"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// httpServer serves a listener's HTTP/1.x clients.
type httpServer struct{ *h1.Server }

func newHTTP(s Setup) (Handler, error) {
	l := s.Listener
	if err := s.plainOnly(); err != nil {
		return nil, err
	}
	var socket func(decode.Conn, decode.Handover) decode.Decoder
	for _, p := range s.Protocols {
		if p.Name == "websocket" {
			socket = p.Take
		}
	}
	limits := decode.DefaultLimits()
	limits.Head, limits.Headers = int(l.Limits.Head), l.Limits.Headers
	return httpServer{h1.New(h1.Options{
		Listener: l.Name, Service: s.serviceOf(l.Cluster), Rules: s.rules(), Names: s.Names, Plain: &s.Hub.Plain, WebSocket: socket, Stats: (*httpStats)(s.Stats),
		Publish:    func(key int64) event.Emitter { return s.Hub.Publisher(key) },
		Header:     orNever(l.Timeouts.Header),
		Request:    orNever(l.Timeouts.Request),
		Idle:       orNever(l.Timeouts.Idle),
		StreamIdle: orNever(l.Timeouts.Stream),
		Limits:     limits, AttemptSpans: s.Attempts,
	})}, nil
}

// plainOnly refuses what this server cannot do: it speaks on sockets, not TLS.
func (s *Setup) plainOnly() error {
	if s.Listener.TLS != nil {
		return fmt.Errorf("listener %q: tls is for protocol mongodb and tcp", s.Listener.Name)
	}
	for name, c := range s.Clusters {
		if c.Secure() {
			return fmt.Errorf("listener %q: cluster %q has tls, which is for listeners of protocol mongodb and tcp", s.Listener.Name, name)
		}
	}
	return nil
}

// orNever turns the configuration's 0, no limit, into that of h1.
func orNever(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

func (h httpServer) Serve(ctx context.Context, c *socket.Stream, first []byte, info ConnInfo, done func()) {
	defer done()
	h.Server.Serve(ctx, c.Socket, first, h1.Info(info))
}

// rules are what the listener does to every request.
func (s *Setup) rules() hop.Rules {
	l := s.Listener
	return hop.Rules{
		Route: s.routes.Find, Response: s.compiled.Response, Normal: route.NewNormal(l.Path), Trust: !l.UseRemote, Hops: l.TrustedHops,
		Via: l.Via, MaxVia: l.MaxVia, ForwardedHost: l.ForwardedHost, MakeID: l.RequestID == config.Make,
	}
}

// Retire is retirer's.
func (h httpServer) Retire() { h.Drain() }

// table makes the listener's routes.
func (s *Setup) table() (*route.Table, error) {
	return route.New(s.Listener, func(cluster string) (*upstream.Cluster, string) {
		return s.Clusters[cluster], s.serviceOf(cluster)
	})
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

func (s *httpStats) ProtocolError() { s.CxProtocolError.Add(1) }
func (s *httpStats) IdleTimeout()   { s.CxIdleTimeout.Add(1) }

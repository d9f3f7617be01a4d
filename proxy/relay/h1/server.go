// Package h1 is proxy/relay's codec of HTTP/1.x, for clients and for upstream
// hosts, over sockets or TLS.
package h1

import (
	"cmp"
	"context"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/tap"
)

// ServerOptions make a Server. Zero durations and limits stand for the defaults of
// proxy/h1; negative durations for no limit.
type ServerOptions struct {
	Header time.Duration // for a request's head, from its first byte
	Idle   time.Duration // of a connection between requests
	Linger time.Duration // for a client to take the last answer in before its connection is cut
	Limits decode.Limits // of heads

	// HTTP2, where set, serves a client that begins to speak HTTP/2 (RFC 9113,
	// 3.4). first is what was read, and shown to Plain with passed. It closes
	// the connection.
	HTTP2 func(ctx context.Context, s *socket.Stream, first []byte, info hop.Info, passed *tap.Passed, done func())

	Plain *tap.Plain // is shown the bytes of clients' connections, out of TLS; none by default
}

// Defaults of ServerOptions.
const (
	DefaultHeader  = time.Minute
	DefaultIdle    = time.Hour
	DefaultLinger  = time.Second
	DefaultHead    = 60 << 10
	DefaultHeaders = 100
)

func withDefaults(l decode.Limits) decode.Limits {
	l.Head = cmp.Or(l.Head, DefaultHead)
	l.Headers = cmp.Or(l.Headers, DefaultHeaders)
	l.Text = cmp.Or(l.Text, decode.DefaultLimits().Text)
	return l
}

// Server serves clients that speak HTTP/1.x. Its methods may be called from
// many goroutines.
type Server struct {
	engine *relay.Engine
	o      ServerOptions
	pool   *hop.Buffers
}

// NewServer makes a server whose requests engine carries out.
func NewServer(engine *relay.Engine, o ServerOptions) *Server {
	o.Header = cmp.Or(o.Header, DefaultHeader)
	o.Idle = cmp.Or(o.Idle, DefaultIdle)
	o.Linger = cmp.Or(o.Linger, DefaultLinger)
	o.Limits = withDefaults(o.Limits)
	if o.Plain == nil {
		o.Plain = new(tap.Plain)
	}
	return &Server{engine: engine, o: o, pool: newBuffers()}
}

// Serve talks with one client until the connection is over, closes it and calls
// done. It may return before that, as goroutines of the server's own go on. first is what was read from s already. ctx is what upstream hosts are dialled
// with. It ends soon after the engine's Close, and after its Drain when no
// request is under way.
func (v *Server) Serve(ctx context.Context, s *socket.Stream, first []byte, info hop.Info, done func()) {
	c, err := newConn(v, s, info)
	if err != nil { // closed already
		done()
		return
	}
	entered := c.info // all that done may need of c
	c.ctx, c.done = ctx, func() { v.engine.Leave(entered); done() }
	c.begin(first)
	c.serve()
}

// Package h1 is the proxy's HTTP/1.1 server: it reads requests with the parser
// of decode/http1 in strict mode, sends them to a cluster and the answers back,
// streams bodies both ways, and tells every exchange as spans.
package h1

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/overload"
	"github.com/pitot-io/pitot/proxy/socket"
)

// Server serves connections that speak HTTP/1.x. Its methods may be called
// from many goroutines.
type Server struct {
	o         Options
	watch     watcher
	buffers   hop.Buffers
	exchanges sync.Pool // of *exchange, which is large: an idle connection has none
	draining  atomic.Bool
}

// New makes a server. It has a goroutine of its own while it has connections.
func New(o Options) *Server {
	s := &Server{o: o.withDefaults()}
	s.buffers.Init()
	s.exchanges.New = func() any { return new(exchange) }
	s.watch.init(&s.o)
	return s
}

// Serve talks with one client until the connection is over, closes it and calls
// done. It may return before that, as goroutines of the server's own go on.
// first is what was read from nc already. ctx is what upstream hosts are
// dialled with: when it ends, what is under way is given up.
func (s *Server) Serve(ctx context.Context, nc socket.Conn, first []byte, info Info, done func()) {
	c, err := newConn(s, ctx, nc, info)
	if err != nil { // closed already
		done()
		return
	}
	s.watch.Join()
	c.done = func() { s.watch.Leave(); done() }
	c.begin(first)
	c.serve()
}

// ending reports whether a connection is to end after the exchange under way.
func (s *Server) ending() bool {
	return s.draining.Load() || s.o.Overload.Active(overload.DisableKeepalive)
}

// Drain lets every connection end: at once where it waits for a request, else
// after the exchange under way.
func (s *Server) Drain() {
	s.draining.Store(true)
	s.watch.each(cutDrain, fresh, idle, resting, quiet)
}

// Retire is Drain but for connections that wait for their first request: it
// may be on its way, and its client would not ask again.
func (s *Server) Retire() {
	s.draining.Store(true)
	s.watch.each(cutDrain, idle, resting, quiet)
}

// Close breaks off what is still under way, tunnels included. Connections
// are over soon after; the last one ends the server's own goroutine.
func (s *Server) Close() {
	s.draining.Store(true)
	s.watch.each(cutStop, fresh, idle, resting, quiet, heading, busy, tunnelled)
}

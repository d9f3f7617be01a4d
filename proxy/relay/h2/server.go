package h2

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/tap"
)

// Engine carries out the exchanges of clients; *relay.Engine is one.
type Engine interface {
	// Enter and Leave say that a client's connection begins and ends.
	Enter(info hop.Info, secure bool) *relay.Info
	Leave(*relay.Info)
	// Carry carries one exchange out, in the caller's goroutine. It reports
	// false when that goes on later, by relay.Sharing.
	Carry(ctx context.Context, c relay.Client) (over bool)
	// Malformed answers a request that breaks the protocol as err says, or limits.
	Malformed(c relay.Client, err error)

	// Parting reports whether the connection of an answer that begins now is to
	// end after it; Draining, whether all connections that were used are to end.
	Parting() bool
	Draining() bool
	// Watch looks over what is under way.
	Watch() *relay.Watch

	Stats() hop.Stats
	Listener() string
}

// Server serves clients that speak HTTP/2. Its methods may be called from many
// goroutines.
type Server struct {
	engine   Engine
	o        ServerOptions
	mem      memory
	requests sync.Pool // of *request
	workers  workers

	mu       sync.Mutex
	conns    map[*serverConn]struct{}
	draining bool
}

// NewServer makes a server whose requests engine carries out.
func NewServer(engine Engine, o ServerOptions) *Server {
	o.Limits = o.Limits.withDefaults()
	o.MaxStreams = cmp.Or(o.MaxStreams, DefaultMaxStreams)
	if o.Plain == nil {
		o.Plain = new(tap.Plain)
	}
	s := &Server{engine: engine, o: o, conns: make(map[*serverConn]struct{})}
	s.mem.init()
	s.workers.most, s.workers.old = idleWorkers, workersOld
	s.requests.New = func() any { return newRequest() }
	return s
}

func newRequest() *request {
	r := new(request)
	r.user = r
	return r
}

// serverConn is a client's connection.
type serverConn struct {
	conn
	srv    *Server
	ctx    context.Context // what upstream hosts are dialled with
	over   func()          // to be called when the connection is over
	stop   func() bool     // that its end breaks the connection off
	info   *relay.Info
	seen   relay.Watched
	heads  decode.Limits
	passed *tap.Passed // what was shown
	shown  int         // of the bytes to come from the client, those that were shown before

	fresh     []*request // that the bytes in hand have begun
	exchanges sync.WaitGroup
	running   int // exchanges whose goroutine has not ended; guarded by conn.mu
}

// Serve talks with one client until the connection is over, closes it and calls
// done. It may return before that, as goroutines of the server's own go on.
// first is what was read from nc already. ctx is what upstream hosts are dialled
// with; when it ends the connection is broken off.
func (s *Server) Serve(ctx context.Context, nc *socket.Stream, first []byte, info hop.Info, done func()) {
	s.meet(ctx, nc, &info, new(tap.Passed), 0, done).serve(first)
}

// Resume is Serve for a connection that somebody else has begun to serve, who
// has shown its beginning and first to Plain, and counted that in passed.
func (s *Server) Resume(ctx context.Context, nc *socket.Stream, first []byte, info hop.Info, passed *tap.Passed, done func()) {
	s.meet(ctx, nc, &info, passed, len(first), done).serve(first)
}

// meet makes a connection, of which shown bytes were shown to Plain before. It
// is apart from serve so that little stack is in use while a connection waits.
func (s *Server) meet(ctx context.Context, nc *socket.Stream, info *hop.Info, passed *tap.Passed, shown int, done func()) *serverConn {
	c := &serverConn{srv: s, ctx: ctx, over: done, heads: s.o.heads(), passed: passed, shown: shown}
	c.server = true
	c.side = c
	c.watch = c.show
	c.info = s.engine.Enter(*info, nc.TLS != nil)
	c.init(&s.o.Limits, &s.mem, nc)
	if c.shown == 0 {
		c.showOpen()
	}
	c.greet("", append(c.settings(),
		wire.Setting{ID: wire.SettingMaxConcurrentStreams, Value: uint32(s.o.MaxStreams)},
		wire.Setting{ID: wire.SettingEnableConnectProtocol, Value: 1},
		wire.Setting{ID: wire.SettingNoRFC7540Priorities, Value: 1}))
	s.enter(c)
	c.seen.Look = c.relieve
	s.engine.Watch().Add(&c.seen, info.ID)
	c.stop = context.AfterFunc(ctx, c.shut)
	return c
}

// serve carries the connection to its end, in one goroutine at a time: one that
// rests goes on in a new one.
func (c *serverConn) serve(first []byte) {
	if c.run(first) == errRest {
		go c.resume()
		return
	}
	c.exchanges.Wait()
	c.stop()
	c.srv.engine.Watch().Remove(&c.seen)
	c.srv.exit(c)
	err := c.broke()
	if err != nil {
		c.srv.engine.Stats().ProtocolError()
	}
	c.showClose(err != nil)
	c.srv.engine.Leave(c.info)
	c.over()
}

// resume is serve in a new goroutine, whose stack is as small as they come
// until there is something to do.
func (c *serverConn) resume() {
	_ = socket.Await(c.raw) // the read that follows fails as well
	c.serve(nil)
}

func (s *Server) enter(c *serverConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
	s.workers.open()
	if s.draining {
		c.drain()
	}
}

func (s *Server) exit(c *serverConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.conns, c); len(s.conns) == 0 {
		s.workers.dismiss()
	}
}

// Drain lets all connections, those to come too, end as their exchanges do.
func (s *Server) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	for c := range s.conns {
		c.drain()
	}
}

// Close breaks all connections off. Whoever called Serve waits for their ends.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.shut()
	}
}

// Conns is the number of connections.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// show shows bytes from or to the client to who listens to them.
func (c *serverConn) show(d event.Dir, at int64, b []byte) {
	if d == event.ToServer && c.shown > 0 {
		n := min(c.shown, len(b))
		c.shown, b = c.shown-n, b[n:]
	}
	if p := c.srv.o.Plain; p.On() && len(b) > 0 {
		p.Passed(c.inline(), c.passed, d, at, b)
	}
}

func (c *serverConn) inline() tap.Inline { return hop.Inline(&c.info.Info, c.srv.engine.Listener()) }

// showOpen and showClose tell of the connection's beginning and end.
func (c *serverConn) showOpen() {
	if p := c.srv.o.Plain; p.On() {
		p.Opened(c.inline(), c.info.Accepted)
	}
}

func (c *serverConn) showClose(reset bool) {
	if p := c.srv.o.Plain; p.On() {
		p.Closed(c.inline(), time.Now().UnixNano(), reset)
	}
}

package h2

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
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
	// Carry carries one exchange out, in the caller's goroutine.
	Carry(ctx context.Context, c relay.Client)
	// Malformed answers a request that breaks the protocol as err says, or limits.
	Malformed(c relay.Client, err error)

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
	stop   func() bool     // that its end breaks the connection off
	info   *relay.Info
	heads  decode.Limits
	passed *tap.Passed // what was shown
	shown  int         // of the bytes to come from the client, those that were shown before

	fresh     []*request // that the bytes in hand have begun
	exchanges sync.WaitGroup
	running   int // exchanges whose goroutine has not ended; guarded by conn.mu
}

// Serve talks with one client until the connection is over, and closes it.
// first is what was read from nc already. ctx is what upstream hosts are dialled
// with; when it ends the connection is broken off.
func (s *Server) Serve(ctx context.Context, nc *socket.Stream, first []byte, info hop.Info) {
	s.meet(ctx, nc, &info, new(tap.Passed), 0).serve(first)
}

// Resume is Serve for a connection that somebody else has begun to serve, who
// has shown its beginning and first to Plain, and counted that in passed.
func (s *Server) Resume(ctx context.Context, nc *socket.Stream, first []byte, info hop.Info, passed *tap.Passed) {
	s.meet(ctx, nc, &info, passed, len(first)).serve(first)
}

// meet makes a connection, of which shown bytes were shown to Plain before. It
// is apart from serve so that little stack is in use while a connection waits.
func (s *Server) meet(ctx context.Context, nc *socket.Stream, info *hop.Info, passed *tap.Passed, shown int) *serverConn {
	c := &serverConn{srv: s, ctx: ctx, heads: s.o.heads(), passed: passed, shown: shown}
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
	c.stop = context.AfterFunc(ctx, c.shut)
	return c
}

// serve carries the connection to its end.
func (c *serverConn) serve(first []byte) {
	c.run(first)
	c.exchanges.Wait()
	c.stop()
	c.srv.exit(c)
	err := c.broke()
	if err != nil {
		c.srv.engine.Stats().ProtocolError()
	}
	c.showClose(err != nil)
	c.srv.engine.Leave(c.info)
}

func (s *Server) enter(c *serverConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
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

// section implements side: a request, or the trailers of one.
func (c *serverConn) section(id uint32, end bool, x *wire.Section, large bool) *wire.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.guards.useful()
	s := c.streams.get(id)
	switch {
	case id%2 == 0:
		return &wire.Error{Code: wire.ProtocolError, Reason: "a client opens a stream with an even number"}
	case s != nil:
		return c.trailers(s, end, x, large)
	case id <= c.lastSeen:
		return c.stray(wire.Header{Type: wire.FrameHeaders, Stream: id}, nil)
	}
	c.lastSeen = id
	switch {
	case c.going == decided:
		c.past.add(id, byUs)
		return nil // RFC 9113, 6.8: the client knows that it is not served
	case c.open >= c.srv.o.MaxStreams, c.running >= 2*c.srv.o.MaxStreams:
		return &wire.Error{Code: wire.RefusedStream, Stream: id, Reason: "too many streams at once"}
	}
	return c.request(id, end, x, large)
}

// request opens a stream. Locked.
func (c *serverConn) request(id uint32, end bool, x *wire.Section, large bool) *wire.Error {
	r := c.srv.requests.Get().(*request)
	r.srv = c
	r.r.L, r.w.L = &c.mu, &c.mu
	r.open(&c.conn, id)
	r.beganAt, r.received = c.now, int64(c.size)
	reason, status := "", 431
	if !large {
		reason, status = r.parse(x, end)
	}
	if end {
		r.recvEnd = true
	}
	switch {
	case reason != "":
		r.refused = &http1.Error{Status: 400, Detail: "http2.protocol_error"}
		r.muted = true
	case status == 431:
		r.refused = &http1.Error{Status: status, Detail: "http2.headers_too_large"}
	case status != 0:
		r.refused = &http1.Error{Status: status, Detail: "missing_host_header"}
	}
	c.fresh = append(c.fresh, r)
	c.running++
	if reason != "" {
		return &wire.Error{Code: wire.ProtocolError, Stream: id, Reason: reason}
	}
	return nil
}

// trailers takes the fields after a request's body (RFC 9113, 8.1). Locked.
func (c *serverConn) trailers(s *stream, end bool, x *wire.Section, large bool) *wire.Error {
	if s.recvEnd || s.closed() {
		return c.stray(wire.Header{Type: wire.FrameHeaders, Stream: s.id}, s)
	}
	s.received += int64(c.size)
	return c.takeTrailers(s, end, x, large)
}

func (c *conn) takeTrailers(s *stream, end bool, x *wire.Section, large bool) *wire.Error {
	wrong := func(reason string) *wire.Error {
		return &wire.Error{Code: wire.ProtocolError, Stream: s.id, Reason: reason}
	}
	switch reason := malformed(x, true); {
	case !end:
		return wrong("trailers that do not end the stream")
	case large:
		return &wire.Error{Code: wire.EnhanceYourCalm, Stream: s.id, Reason: "trailers are larger than allowed"}
	case reason != "":
		return wrong(reason)
	}
	if err := s.hold(nil, true); err != nil {
		return err
	}
	s.trailers = s.take(x, s.trailers[:0])
	s.endRecv()
	c.touch(s)
	return nil
}

// begin implements side.
func (c *serverConn) begin() {
	for i, r := range c.fresh {
		c.fresh[i] = nil
		c.exchanges.Add(1)
		c.srv.workers.carry(r)
	}
	c.fresh = c.fresh[:0]
}

// run carries the exchange out, in a worker's goroutine. It gives the connection,
// which waits for it, and about the time.
func (r *request) run() (c *serverConn, now int64) {
	c = r.srv
	if r.refused != nil {
		c.srv.engine.Malformed(r, r.refused)
	} else {
		c.srv.engine.Carry(c.ctx, r)
	}
	c.mu.Lock()
	if !r.closed() {
		switch {
		case r.sentEnd: // RFC 9113, 8.1: the rest of the request is not wanted
			r.reset(wire.NoError, relay.ErrInterrupted)
		default:
			r.reset(wire.InternalError, relay.ErrInterrupted)
		}
	}
	r.discard()
	if r.lent != nil {
		c.takenBack(len(r.lent))
	}
	c.running--
	c.leave(&r.stream)
	now = c.readAt
	c.mu.Unlock()
	c.flush()
	return c, now
}

// recycle implements user.
func (r *request) recycle() {
	pool := &r.srv.srv.requests
	r.forget()
	r.srv, r.refused, r.muted = nil, nil, false
	pool.Put(r)
}

// goAway implements side: the client opens no more streams, as it will.
func (c *serverConn) goAway(uint32, wire.Code) {}

// idle implements side.
func (c *serverConn) idle(id uint32) bool { return id > c.lastSeen || id%2 == 0 }

// spare implements side.
func (c *serverConn) spare() {
	if c.going == decided && c.streams.n == 0 {
		c.shutWhenWritten()
	}
}

// drain begins to end the connection (RFC 9113, 6.8): the first GOAWAY asks for
// no more streams and takes those that are on their way, the second, when the
// client has read the first, names the last.
func (c *serverConn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.going != staying || c.fate != nil {
		return
	}
	c.going = announced
	c.room(64)
	c.out = wire.AppendGoAway(c.out, wire.LargestStream, wire.NoError, "")
	c.out = wire.AppendPing(c.out, false, drained)
	c.tail = nil
	c.goAwayAt = time.Now().UnixNano() + int64(c.o.Grace)
	c.arm(c.goAwayAt)
	c.kick()
}

// drained is the PING after the first GOAWAY.
var drained = [8]byte{'d', 'r', 'a', 'i', 'n', 'e', 'd', '?'}

// decide sends the second GOAWAY. Locked.
func (c *serverConn) decide() {
	if c.going == decided {
		return
	}
	c.going, c.goAwayAt = decided, 0
	c.room(32)
	c.out = wire.AppendGoAway(c.out, c.lastSeen, wire.NoError, "")
	c.tail = nil
	c.spare()
	c.kick()
}

// ponged implements side.
func (c *serverConn) ponged(data [8]byte) {
	if c.going == announced && data == drained {
		c.decide()
	}
}

// deadline implements side.
func (c *serverConn) deadline() int64 { return c.goAwayAt }

// look implements side.
func (c *serverConn) look(now int64) {
	if c.goAwayAt != 0 && now >= c.goAwayAt {
		c.decide()
	}
}

// idled implements side: nothing was asked for long.
func (c *serverConn) idled() {
	c.srv.engine.Stats().IdleTimeout()
	c.decide()
}

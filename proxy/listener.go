package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/mongo"
	"github.com/pitot-io/pitot/proxy/secure"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// listener is one bound socket with its handler and its connections.
type listener struct {
	name    string
	address string           // as configured
	config  *config.Listener // guarded by the server's lock

	socket net.Listener               // of stream sockets
	tell   func(int64, *event.Notice) // of connection number
	stats  *ListenerStats
	log    *slog.Logger
	next   func() int64 // numbers connections

	sources sources
	load    *load

	routes routes
	gate   *mongo.Gate  // of commands of MongoDB
	limit  atomic.Int64 // of connections; 0 for none
	each   atomic.Int64 // of one client's connections; 0 for none
	delay  atomic.Int64 // ns, before one too many is closed
	late   atomic.Int64 // connections that wait for that

	mu      sync.Mutex                 // guards what follows
	open    map[socket.Conn]netip.Addr // with whose it is, where that is counted
	clients map[netip.Addr]int64       // connections
	wg      sync.WaitGroup             // of open connections
	serving *serving                   // connections that come now
	secure  *secure.Server             // of these; nil where clients speak without TLS
	still   []*serving                 // that served before, and may have connections
}

func (s *Server) newListener(c *config.Listener, comments string) *listener {
	return &listener{
		name: c.Name, address: c.Address, config: c, stats: new(ListenerStats), log: s.deps.Log, open: map[socket.Conn]netip.Addr{}, clients: map[netip.Addr]int64{},
		next:    func() int64 { return s.number.Add(1) },
		tell:    func(id int64, n *event.Notice) { s.deps.Hub.Publisher(id).Notice(n) },
		sources: s, load: &load{s}, gate: newGate(comments),
	}
}

// renew puts a change into use.
func (l *listener) renew(r *renewal) {
	l.config = r.config
	l.limit.Store(int64(r.config.MaxConnections))
	l.each.Store(int64(r.config.MaxPerClient))
	l.delay.Store(int64(r.config.OverflowDelay))
	l.routes.now.Store(r.table)
	l.gate.Use(r.commands)
	if r.handler == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.still = slices.DeleteFunc(l.still, (*serving).over)
	if was := l.serving; was != nil {
		l.still = append(l.still, was)
		if h, ok := was.Handler.(retirer); ok {
			h.Retire()
		}
	}
	if l.secure != nil {
		l.secure.Close()
		if r.secure != nil {
			r.secure.Follow(l.secure)
		}
	}
	l.serving, l.secure = &serving{Handler: r.handler, forward: r.config.ForwardCert.Mode, whence: r.whence}, r.secure
}

// handlers are those that may have connections.
func (l *listener) handlers() []*serving {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(slices.Clone(l.still), l.serving)
}

// drainOld is drain but for connections that wait for their first request: it
// may be on its way, and its client would not ask again.
func (l *listener) drainOld() {
	for _, h := range l.handlers() {
		if r, ok := h.Handler.(retirer); ok {
			r.Retire()
		} else {
			h.Drain()
		}
	}
}

func (l *listener) drain() {
	for _, h := range l.handlers() {
		h.Drain()
	}
}

// close breaks off what is left.
func (l *listener) close() {
	for _, h := range l.handlers() {
		h.Close()
	}
	if t := l.session(); t != nil {
		t.Close()
	}
	_ = l.socket.Close() // a second time, after a drain
	l.cut()
}

// accept takes connections until the socket is closed.
func (l *listener) accept(ctx context.Context) {
	stuck := false
	for {
		if !l.load.hold(ctx, l.socket) {
			return
		}
		c, err := l.socket.Accept()
		if err == nil {
			if stuck {
				stuck = false
				l.log.Info("accepts connections again", "listener", l.name)
			}
			l.admit(ctx, c.(socket.Conn))
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		// Out of descriptors, most likely: wait until some are free again.
		l.stats.CxAcceptError.Add(1)
		if !stuck {
			stuck = true
			l.log.Warn("cannot accept connections; those that wait do so until this ends", "listener", l.name, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(acceptPause):
		}
	}
}

// acceptPause is how long a listener that cannot accept waits.
const acceptPause = 100 * time.Millisecond

func (l *listener) admit(ctx context.Context, c socket.Conn) {
	if l.load.rejects() {
		l.stats.CxReject.Add(1)
		_ = c.Close() // nothing was said on it
		return
	}
	if !l.enter(c) {
		l.turnAway(ctx, func() { _ = c.Close() }) // nothing was said on it
		return
	}
	l.stats.CxTotal.Add(1)
	l.stats.CxActive.Add(1)
	go l.serve(ctx, c)
}

func (l *listener) enter(c socket.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit := l.limit.Load(); limit > 0 && int64(len(l.open)) >= limit {
		return false
	}
	l.open[c] = netip.Addr{}
	if !l.serving.whence.names() && !l.claim(c, socket.AddrPort(c.RemoteAddr()).Addr()) || !l.load.enter() {
		l.disclaim(c)
		return false
	}
	l.wg.Add(1)
	return true
}

// claim has c count for a client, unless as many do as may. The caller has the
// lock.
func (l *listener) claim(c socket.Conn, client netip.Addr) bool {
	most := l.each.Load()
	if client = client.Unmap(); most == 0 || !client.IsValid() || client == l.open[c] {
		return true
	}
	if l.clients[client] >= most {
		return false
	}
	l.disclaim(c)
	l.open[c] = client
	l.clients[client]++
	return true
}

// disclaim has c count for nobody, and forgets it. The caller has the lock.
func (l *listener) disclaim(c socket.Conn) {
	if client := l.open[c]; client.IsValid() {
		if l.clients[client]--; l.clients[client] == 0 {
			delete(l.clients, client)
		}
	}
	delete(l.open, c)
}

// admits is claim for a connection of which is known by now whose it is.
func (l *listener) admits(c socket.Conn, client netip.Addr) bool {
	if l.each.Load() == 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.claim(c, client)
}

func (l *listener) serve(ctx context.Context, c socket.Conn) {
	h, t := l.begin()
	info := ConnInfo{
		ID: l.next(), Client: socket.AddrPort(c.RemoteAddr()), Server: socket.AddrPort(c.LocalAddr()), Unix: socket.Path(c.LocalAddr()),
		Accepted: time.Now().UnixNano(), Cert: h.cert(nil),
	}
	if h.whence != nil {
		peer := info.Client
		header, err := h.whence.find(c, &info)
		if err != nil {
			l.misled(c, info, err)
			h.open.Add(-1)
			return
		}
		if header != nil && header.Rich() {
			l.proxied(header, info, peer)
		}
	}
	if !l.admits(c, info.Client.Addr()) {
		h.open.Add(-1)
		l.turnAway(ctx, func() { l.leave(c) })
		return
	}
	ctx, done := l.lend(ctx, c, info)
	over := func() { h.open.Add(-1); done() }
	if t != nil {
		l.handshake(ctx, c, t, h, info, over)
		return
	}
	h.Serve(ctx, socket.Plain(c), nil, info, over)
}

// lend is what a handler gets along with a connection: a context that knows
// whose it is, where clusters ask for that, and what it calls when it is done.
func (l *listener) lend(ctx context.Context, c socket.Conn, info ConnInfo) (context.Context, func()) {
	if !l.sources.asked() {
		return ctx, func() { l.leave(c) }
	}
	source := upstream.Source{Client: info.Client, Server: info.Server}
	return upstream.WithSource(ctx, source), func() {
		l.sources.forget(source)
		l.leave(c)
	}
}

// begin is who serves a connection that comes now.
func (l *listener) begin() (*serving, *secure.Server) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serving.open.Add(1)
	return l.serving, l.secure
}

// session is what TLS is spoken with; nil without.
func (l *listener) session() *secure.Server {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.secure
}

func (l *listener) leave(c socket.Conn) {
	_ = c.Close() // mostly closed already
	l.stats.CxActive.Add(-1)
	l.load.leave()
	l.mu.Lock()
	l.disclaim(c)
	l.mu.Unlock()
	l.wg.Done()
}

func (l *listener) connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

// cut closes every connection that is left.
func (l *listener) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		_ = c.Close() // its handler sees the error
	}
}

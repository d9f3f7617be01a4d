package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/secure"
	"github.com/pitot-io/pitot/proxy/socket"
)

// listener is one bound socket with its handler and its connections.
type listener struct {
	config  *config.Listener
	socket  net.Listener // of stream sockets
	handler Handler
	secure  *secure.Server             // nil where clients speak without TLS
	tell    func(int64, *event.Notice) // of connection number
	stats   *ListenerStats
	log     *slog.Logger
	next    func() int64 // numbers connections

	mu   sync.Mutex
	open map[socket.Conn]struct{}
	wg   sync.WaitGroup // of open connections
}

// accept takes connections until the socket is closed.
func (l *listener) accept(ctx context.Context) {
	for {
		c, err := l.socket.Accept()
		if err == nil {
			l.admit(ctx, c.(socket.Conn))
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		// Out of descriptors, most likely: wait until some are free again.
		l.log.Warn("cannot accept connections", "listener", l.config.Name, "error", err)
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
	if !l.enter(c) {
		l.stats.CxOverflow.Add(1)
		_ = c.Close() // nothing was said on it
		return
	}
	l.stats.CxTotal.Add(1)
	l.stats.CxActive.Add(1)
	go l.serve(ctx, c)
}

func (l *listener) enter(c socket.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit := l.config.MaxConnections; limit > 0 && len(l.open) >= limit {
		return false
	}
	l.open[c] = struct{}{}
	l.wg.Add(1)
	return true
}

func (l *listener) serve(ctx context.Context, c socket.Conn) {
	info := ConnInfo{
		ID: l.next(), Client: socket.AddrPort(c.RemoteAddr()), Server: socket.AddrPort(c.LocalAddr()), Unix: socket.Path(c.LocalAddr()),
		Accepted: time.Now().UnixNano(), Cert: l.cert(nil),
	}
	if l.secure != nil {
		l.handshake(ctx, c, info)
		return
	}
	l.handler.Serve(ctx, socket.Plain(c), nil, info, func() { l.leave(c) })
}

func (l *listener) leave(c socket.Conn) {
	_ = c.Close() // mostly closed already
	l.stats.CxActive.Add(-1)
	l.mu.Lock()
	delete(l.open, c)
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

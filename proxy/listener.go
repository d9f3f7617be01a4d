package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/secure"
	"github.com/pitot-io/pitot/proxy/socket"
)

// listener is one bound socket with its handler and its connections.
type listener struct {
	config  *config.Listener
	socket  *net.TCPListener
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

// bind opens a listening socket; its errors say how to mend them.
func bind(what, address, key string) (*net.TCPListener, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // it costs on every connection, and the clients that speak it are few
	l, err := lc.Listen(context.Background(), "tcp", address)
	switch {
	case err == nil:
		return l.(*net.TCPListener), nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: %s is in use by another process; stop that one, or set %s to another port (0 takes a free one)", what, address, key)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s: listening on %s is not permitted; set %s to a port from 1024 on, or give pitot the capability CAP_NET_BIND_SERVICE", what, address, key)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%s: %s is not an address of this machine; set %s to one that is", what, address, key)
	}
	return nil, fmt.Errorf("%s: %w; set %s to an address of this machine", what, err, key)
}

// accept takes connections until the socket is closed.
func (l *listener) accept(ctx context.Context) {
	for {
		c, err := l.socket.AcceptTCP()
		if err == nil {
			l.admit(ctx, c)
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
	info := ConnInfo{ID: l.next(), Client: socket.AddrPort(c.RemoteAddr()), Server: socket.AddrPort(c.LocalAddr()), Accepted: time.Now().UnixNano()}
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

// Package alpn is proxy/relay's dialer for hosts of which TLS says whether they
// speak HTTP/2 or HTTP/1.1 (RFC 7301).
package alpn

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// HTTP1 is the dialer of HTTP/1.1: it can go on with a connection that is there.
type HTTP1 interface {
	relay.Dialer
	Use(c *upstream.Conn, reused bool) relay.Upstream
}

// HTTP2 is the dialer of HTTP/2, which can do the same.
type HTTP2 interface {
	relay.Dialer
	Use(ctx context.Context, c *upstream.Conn, how relay.How) (relay.Upstream, error)
}

// Dialer is a relay.Dialer. What a host has agreed on is taken for what it will
// agree on, until it turns out otherwise.
type Dialer struct {
	h1    HTTP1
	h2    HTTP2
	hosts sync.Map // *upstream.Host to *host
}

// New makes a dialer of one for each version, which stay the caller's.
func New(h1 HTTP1, h2 HTTP2) *Dialer { return &Dialer{h1: h1, h2: h2} }

// Drain and Close do nothing: the connections are those of the two dialers.
func (d *Dialer) Drain() {}
func (d *Dialer) Close() {}

// host is what is known of a host.
type host struct {
	speaks atomic.Uint32
	turn   chan struct{} // held by who finds out
}

const (
	unknown uint32 = iota
	speaksHTTP1
	speaksHTTP2
)

func (d *Dialer) host(h *upstream.Host) *host {
	if known, ok := d.hosts.Load(h); ok {
		return known.(*host)
	}
	d.hosts.Range(func(h, _ any) bool { // few ever come
		if h.(*upstream.Host).Forgotten() {
			d.hosts.Delete(h)
		}
		return true
	})
	known, _ := d.hosts.LoadOrStore(h, &host{turn: make(chan struct{}, 1)})
	return known.(*host)
}

// Open implements relay.Dialer.
func (d *Dialer) Open(ctx context.Context, h *upstream.Host, how relay.How) (relay.Upstream, error) {
	k := d.host(h)
	switch k.speaks.Load() {
	case speaksHTTP1:
		return d.openHTTP1(ctx, h, how, k)
	case speaksHTTP2:
		return d.openHTTP2(ctx, h, how, k)
	}
	how.Waits()
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if k.speaks.Load() != unknown {
		<-k.turn
		return d.Open(ctx, h, how)
	}
	defer func() { <-k.turn }()
	return d.find(ctx, h, how, k)
}

// find dials to see what the host speaks, and goes on with the connection.
func (d *Dialer) find(ctx context.Context, h *upstream.Host, how relay.How, k *host) (relay.Upstream, error) {
	waiting, done := how.Waiting(ctx)
	c, _, err := h.Connect(waiting, upstream.Ask{High: how.High, Fresh: true, Timed: how.Timed})
	done()
	if err != nil {
		return nil, err
	}
	if agreed(c) == speaksHTTP1 {
		k.speaks.Store(speaksHTTP1)
		return d.h1.Use(c, false), nil
	}
	k.speaks.Store(speaksHTTP2)
	return d.h2.Use(ctx, c, how)
}

func agreed(c *upstream.Conn) uint32 {
	if c.TLS != nil && c.TLS.ConnectionState().NegotiatedProtocol == "h2" {
		return speaksHTTP2
	}
	return speaksHTTP1
}

func (d *Dialer) openHTTP1(ctx context.Context, h *upstream.Host, how relay.How, k *host) (relay.Upstream, error) {
	up, err := d.h1.Open(ctx, h, how)
	if err != nil || agreed(up.Conn()) == speaksHTTP1 {
		return up, err
	}
	up.Close() // unused, so that it is not kept
	k.speaks.Store(speaksHTTP2)
	return d.h2.Open(ctx, h, how)
}

// openHTTP2 forgets what the host spoke when no connection comes about: that
// may be why.
func (d *Dialer) openHTTP2(ctx context.Context, h *upstream.Host, how relay.How, k *host) (relay.Upstream, error) {
	up, err := d.h2.Open(ctx, h, how)
	if f, ok := errors.AsType[*upstream.DialError](err); ok && !f.Timeout && ctx.Err() == nil {
		k.speaks.Store(unknown)
		return d.Open(ctx, h, how)
	}
	return up, err
}

package h1

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"sync/atomic"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Dialer is a relay.Dialer of hosts that speak HTTP/1.1. Their connections are
// those of the cluster's pools.
type Dialer struct {
	limits decode.Limits // of answers' heads
	pool   *hop.Buffers
}

// NewDialer makes a dialer. Zero limits stand for the defaults.
func NewDialer(limits decode.Limits) *Dialer {
	return &Dialer{limits: withDefaults(limits), pool: newBuffers()}
}

// Drain and Close do nothing: the connections are the cluster's to close.
func (d *Dialer) Drain() {}
func (d *Dialer) Close() {}

// Open implements relay.Dialer.
func (d *Dialer) Open(ctx context.Context, host *upstream.Host, how relay.How) (relay.Upstream, error) {
	if c := kept(ctx, host, how); c != nil {
		return d.Use(c, true), nil
	}
	ctx, done := how.Waiting(ctx)
	defer done()
	c, reused, err := host.Connect(ctx, upstream.Ask{High: how.High, Fresh: how.Fresh, Again: how.Again, Now: how.Now, Timed: how.Timed})
	if err != nil {
		return nil, err
	}
	return d.Use(c, reused), nil
}

func kept(ctx context.Context, host *upstream.Host, how relay.How) *upstream.Conn {
	switch {
	case how.Fresh:
		return nil
	case how.Again:
		return host.GetFor(ctx, how.Now)
	}
	return host.GetFor(ctx, 0)
}

// Use makes an attempt on a connection that somebody has opened.
func (d *Dialer) Use(c *upstream.Conn, reused bool) relay.Upstream {
	l, ok := c.State.(*link)
	if !ok {
		l = &link{conn: c}
		l.in = reader{from: c, pool: d.pool, limits: d.limits, eager: true}
		l.out = writer{to: c, pool: d.pool}
		c.State = l
	}
	l.reused = reused
	return l
}

// link is an upstream connection and the attempt that is under way on it.
type link struct {
	conn   *upstream.Conn
	in     reader
	out    writer
	method []byte // of the request, as sent
	key    [24]byte
	keyed  bool // the key of a WebSocket handshake is ours
	reused bool

	finished  bool // the request has been sent to its end
	closing   bool // the peer closes the connection after its answer
	headed    bool // the final answer's head has come
	tunnel    bool
	cancelled atomic.Bool
}

func (l *link) Conn() *upstream.Conn    { return l.conn }
func (l *link) Reused() bool            { return l.reused }
func (l *link) Unsent() bool            { return l.out.sent == 0 }
func (l *link) Ready() (int, bool)      { return l.in.Ready() }
func (l *link) Next() ([]byte, error)   { return l.in.Next() }
func (l *link) Fault() error            { return l.in.Fault() }
func (l *link) Trailers() []http1.Field { return l.in.Trailers() }
func (l *link) Write(b []byte) error    { return l.out.Write(b) }
func (l *link) Flush() error            { return l.out.Flush() }
func (l *link) Dropped() bool           { return l.out.dropped }

func (l *link) Wire() relay.Wire {
	received := l.in.received
	if !l.headed {
		received += int64(l.in.w - l.in.r)
	}
	return relay.Wire{Began: l.in.began, Received: received, Sent: l.out.sent}
}

// Send writes the request's head as a server of its own gets it (RFC 9112,
// 3.2). A CONNECT for another protocol (RFC 8441) becomes what HTTP/1.1 has for
// that.
func (l *link) Send(h *http1.Head, end bool) error {
	l.method = h.Method
	if len(h.Upgrade) > 0 && string(h.Method) == "CONNECT" {
		l.method = methodGet
	}
	b := append(l.out.space(0), l.method...)
	b = append(b, ' ')
	b = appendTarget(b, h)
	b = append(b, " HTTP/1.1\r\n"...)
	b = l.appendHost(b, h)
	l.out.chunked = !end && h.Framing != http1.NoBody && chunks(h) && len(h.Upgrade) == 0 && h.Form != http1.Authority
	b = appendFields(b, h, l.out.chunked)
	if l.out.chunked {
		b = append(b, "transfer-encoding: chunked\r\n"...)
	}
	if len(h.Upgrade) > 0 {
		b = l.appendUpgrade(b, h)
	}
	if end && h.Framing != http1.Length && h.ContentLength < 0 && meansContent(h.Method) {
		b = append(b, "content-length: 0\r\n"...) // RFC 9110, 8.6
	}
	l.out.out = append(b, "\r\n"...)
	l.finished = end
	return l.out.err
}

var methodGet = []byte("GET")

func meansContent(method []byte) bool {
	switch string(method) {
	case "POST", "PUT", "PATCH":
		return true
	}
	return false
}

// appendHost adds the Host field where the fields have none: of the target, or
// of the endpoint for a client of HTTP/1.0 that names none.
func (l *link) appendHost(b []byte, h *http1.Head) []byte {
	for i := range h.Fields {
		if h.Fields[i].ID == http1.HostField {
			return b
		}
	}
	b = append(b, "host: "...)
	switch host := l.conn.Host(); {
	case len(h.Host) > 0:
		b = append(b, h.Host...)
	case host.Unix() != "": // a path is no host
		b = append(b, "localhost"...)
	default:
		b = append(b, host.Address()...)
	}
	return append(b, "\r\n"...)
}

// appendTarget adds the target in the form that a server of its own gets
// (RFC 9112, 3.2.1, 3.2.3 and 3.2.4).
func appendTarget(b []byte, h *http1.Head) []byte {
	switch {
	case h.Form == http1.Authority:
		return append(b, h.Host...)
	case len(h.Path) > 0:
		b = append(b, h.Path...)
	case string(h.Method) == "OPTIONS" && !h.HasQuery:
		return append(b, '*')
	default:
		b = append(b, '/')
	}
	if h.HasQuery {
		b = append(b, '?')
		b = append(b, h.Query...)
	}
	return b
}

// appendUpgrade adds what asks for another protocol, and the key that a client
// of HTTP/2 had no need of.
func (l *link) appendUpgrade(b []byte, h *http1.Head) []byte {
	b = append(b, "connection: upgrade\r\nupgrade: "...)
	b = append(b, h.Upgrade...)
	b = append(b, "\r\n"...)
	if l.keyed = string(h.Method) == "CONNECT" && string(h.Upgrade) == "websocket" && h.Get("sec-websocket-key") == nil; l.keyed {
		var random [16]byte
		_, _ = rand.Read(random[:]) // never fails
		base64.StdEncoding.Encode(l.key[:], random[:])
		b = append(b, "sec-websocket-key: "...)
		b = append(b, l.key[:]...)
		b = append(b, "\r\n"...)
	}
	return b
}

// Finish ends the request; in a tunnel, this direction of it.
func (l *link) Finish(trailers []http1.Field) error {
	if err := l.out.end(trailers); err != nil {
		return err
	}
	if l.finished = true; !l.tunnel {
		return nil
	}
	if err := l.out.Flush(); err != nil {
		return err
	}
	return fault(l.conn.CloseWrite())
}

// Answer reads the next head of the answer.
func (l *link) Answer(h *http1.Head) error {
	for {
		if !l.in.empty() {
			n, err := h.ParseResponse(l.in.buf[l.in.r:l.in.w], http1.Strict, l.in.limits, l.method)
			if err != nil {
				return err
			}
			if n > 0 {
				return l.head(h, n)
			}
		}
		if err := l.in.fill(); err != nil {
			h.Reset()
			return err
		}
	}
}

// head takes a head that is n bytes long.
func (l *link) head(h *http1.Head, n int) error {
	switch {
	case h.Interim():
		l.in.r += n
		l.in.received += int64(n)
		return nil
	case h.Status == 101:
		if err := l.checkAccept(h); err != nil {
			return err
		}
		l.tunnel = true
	case h.Tunnel():
		l.tunnel = true
	}
	l.headed, l.closing = true, h.Close
	if l.tunnel {
		l.in.begin(n, http1.UntilClose, 0)
		return nil
	}
	l.in.begin(n, h.Framing, h.Length)
	return nil
}

// checkAccept holds the answer to a handshake of ours to RFC 6455, 4.1.
func (l *link) checkAccept(h *http1.Head) error {
	if !l.keyed {
		return nil
	}
	var want [32]byte
	if string(h.Get("sec-websocket-accept")) != string(relay.AppendAccept(want[:0], l.key[:])) {
		return &http1.Error{Status: 502, Detail: "http1.websocket_accept_mismatch"}
	}
	return nil
}

// Cancel has whatever waits fail; the connection is of no more use.
func (l *link) Cancel(relay.Reason) {
	l.cancelled.Store(true)
	_ = l.conn.SetDeadline(past) // fails only on a connection closed already
}

// Close hands the connection back where it is between two exchanges now.
func (l *link) Close() {
	good := l.finished && l.headed && !l.tunnel && !l.closing && l.in.ended.Load() && l.in.empty() &&
		l.in.framing != http1.UntilClose && l.out.err == nil && len(l.out.out) == 0 && !l.cancelled.Load()
	l.out.release()
	if !good {
		_ = l.conn.Close() // it has told what it had to
		l.in.r, l.in.w = 0, 0
		l.in.next()
		return
	}
	l.in.next()
	l.out.next()
	l.finished, l.closing, l.headed, l.keyed, l.method = false, false, false, false, nil
	l.conn.Host().Put(l.conn)
}

var _ relay.Upstream = (*link)(nil)

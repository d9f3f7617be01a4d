package http2

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/internal/event"
)

// tunnel is what a stream carries after a CONNECT that was granted (RFC 9113,
// 8.5), or an extended one (RFC 8441).
type tunnel struct {
	protocol string // :protocol of an extended CONNECT
	inner    decode.Decoder
	shown    decode.Unpacking
	at       int // where the bytes that it is fed begin in those of the call under way
	open     [2]bool
	out      carrier
}

// openTunnel tells the exchange, which ends with this answer, and leaves what
// the stream carries from now on to the next decoder.
func (t *conn) openTunnel(s *stream, f *wire.Section, at int64) {
	h := decode.Handover{Protocol: s.tunnel.protocol, Request: &s.x}
	s.p.Upgrade = "connect"
	if h.Protocol != "" {
		s.p.Upgrade = h.Protocol
		h.Extensions, _ = f.Of(wire.RoleWebSocketExtensions)
		h.Subprotocol, _ = f.Of(wire.RoleWebSocketProtocol)
	}
	s.x.End = at
	t.tell(s)
	c := t.c
	c.MidStream = false
	if c.Position != nil {
		c.Position = func(d event.Dir, off int) uint32 { return t.position(d, s.tunnel.at+off) }
	}
	if c.Inspect != nil {
		c.Inspect = t.inspectTunnel(s)
	}
	s.tunnel.inner = c.Hand(h)
	s.tunnel.open = [2]bool{true, true}
	for d := range s.ended {
		if s.ended[d] {
			t.endTunnel(s, event.Dir(d), at)
		}
	}
}

// feedTunnel shows bytes to the tunnel's decoder until it is lost.
func (t *conn) feedTunnel(s *stream, d event.Dir, at int64, b []byte, off int) {
	s.tunnel.at = t.off + off
	s.tunnel.shown.Feed(d, b)
	if err := s.tunnel.inner.Feed(d, at, b, t.carrier(s)); err != nil {
		t.failure(d, at, "stream's tunnel: "+err.Error())
		t.closeTunnel(s, at)
		s.tunnel.inner = decode.NewOpaque(t.c)
	}
}

func (t *conn) endTunnel(s *stream, d event.Dir, at int64) {
	if s.tunnel.open[d] {
		s.tunnel.open[d] = false
		s.tunnel.inner.End(d, at, t.carrier(s))
	}
}

func (t *conn) closeTunnel(s *stream, at int64) {
	if s.tunnel.inner != nil {
		s.tunnel.inner.Close(at, t.carrier(s))
		s.tunnel.inner = nil
	}
}

func (t *conn) carrier(s *stream) *carrier {
	s.tunnel.out = carrier{t.emit, s}
	return &s.tunnel.out
}

// carrier marks what a tunnel's decoder tells with the stream.
type carrier struct {
	event.Emitter
	s *stream
}

func (c *carrier) Exchange(x *event.Exchange) {
	if x.HTTP2 == nil {
		x.HTTP2 = &c.s.h2
	}
	c.Emitter.Exchange(x)
}

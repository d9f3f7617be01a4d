package h1

import (
	"strconv"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/relay"
)

var _ relay.Client = (*conn)(nil)

// What follows implements relay.Client.

func (c *conn) Request() *http1.Head    { return &c.req }
func (c *conn) Conn() *relay.Info       { return c.info }
func (c *conn) Ready() (int, bool)      { return c.in.Ready() }
func (c *conn) Next() ([]byte, error)   { return c.in.Next() }
func (c *conn) Fault() error            { return c.in.Fault() }
func (c *conn) Trailers() []http1.Field { return c.in.Trailers() }
func (c *conn) Write(b []byte) error    { return c.out.Write(b) }
func (c *conn) Flush() error            { return c.out.Flush() }
func (c *conn) Dropped() bool           { return c.out.dropped }

func (c *conn) Wire() relay.Wire {
	return relay.Wire{Began: c.in.began, Received: c.in.received, Sent: c.out.sent + int64(len(c.out.out))}
}

func (c *conn) Interim(h *http1.Head) error {
	b := appendStatus(c.out.space(0), h, false)
	c.out.out = append(b, "\r\n"...)
	return c.out.err
}

// Answer decides how the answer's end is told, and so whether the connection
// can be used again.
func (c *conn) Answer(h *http1.Head, end bool) error {
	c.headed = true
	c.out.chunked = !end && c.req.Minor > 0 && chunks(h)
	b := appendStatus(c.out.space(0), h, c.out.chunked)
	switch {
	case h.Status == 101:
		c.tunnel, c.out.chunked = true, false
		b = c.appendUpgrade(b, h)
	case string(c.req.Method) == "CONNECT" && h.Status >= 200 && h.Status < 300:
		c.tunnel, c.out.chunked = true, false
	default:
		b = c.appendFraming(b, h, end)
	}
	if c.out.out = append(b, "\r\n"...); c.tunnel {
		c.in.begin(0, http1.UntilClose, 0)
	}
	return c.out.err
}

func (c *conn) appendFraming(b []byte, h *http1.Head, end bool) []byte {
	old := c.req.Minor == 0
	if string(c.req.Method) == "CONNECT" || h.Status == 403 && len(c.req.Upgrade) > 0 {
		c.keep = false // what follows may be meant for the tunnel that was asked for
	}
	c.keep = c.keep && c.in.ended.Load() && !c.srv.engine.Parting() && (end || h.Framing == http1.Length || !old)
	switch {
	case !c.keep:
		b = append(b, "connection: close\r\n"...)
	case old:
		b = append(b, "connection: keep-alive\r\n"...)
	}
	switch {
	case c.out.chunked:
		b = append(b, "transfer-encoding: chunked\r\n"...)
	case end && h.Status != 204 && h.Status != 304 && string(c.req.Method) != "HEAD" && h.Get("content-length") == nil:
		b = append(b, "content-length: 0\r\n"...)
	}
	return b
}

// appendUpgrade adds what says that the protocol is changed as asked
// (RFC 9110, 7.8; RFC 6455, 4.2.2).
func (c *conn) appendUpgrade(b []byte, h *http1.Head) []byte {
	b = append(b, "connection: upgrade\r\nupgrade: "...)
	b = append(b, h.Upgrade...)
	b = append(b, "\r\n"...)
	if key := c.req.Get("sec-websocket-key"); key != nil && h.Get("sec-websocket-accept") == nil {
		b = append(b, "sec-websocket-accept: "...)
		b = relay.AppendAccept(b, key)
		b = append(b, "\r\n"...)
	}
	return b
}

// chunks reports whether a body has to be sent in chunks: because its length is
// not known, or for the trailers that may follow, which HTTP/2 has after a body
// of known length too: those that it announces, and those of gRPC.
func chunks(h *http1.Head) bool {
	if h.Framing != http1.Length {
		return true
	}
	for i := range h.Fields {
		if f := &h.Fields[i]; f.ID == http1.Trailer || relay.CallOf(f) {
			return true
		}
	}
	return false
}

// appendStatus adds an answer's status line and its fields.
func appendStatus(b []byte, h *http1.Head, chunked bool) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(h.Status), 10)
	b = append(b, ' ')
	b = append(b, h.Reason...)
	b = append(b, "\r\n"...)
	return appendFields(b, h, chunked)
}

// appendFields adds a head's fields; in chunks there is no length.
func appendFields(b []byte, h *http1.Head, chunked bool) []byte {
	for i := range h.Fields {
		if f := &h.Fields[i]; !chunked || f.ID != http1.ContentLength {
			b = appendField(b, f)
		}
	}
	return b
}

func (c *conn) Finish(trailers []http1.Field) error {
	if err := c.out.end(trailers); err != nil || !c.tunnel {
		return err
	}
	if err := c.out.Flush(); err != nil {
		return err
	}
	return fault(c.net.CloseWrite())
}

// Abort closes the connection after the exchange; by a reset, unless the answer
// is complete.
func (c *conn) Abort(r relay.Reason) {
	c.keep = false
	c.abort = c.abort || r != relay.NotNeeded && c.headed
}

func (c *conn) Interrupt(all bool) {
	if all {
		_ = c.net.SetDeadline(past) // fails only on a connection closed already
		return
	}
	_ = c.net.SetReadDeadline(past)
}

func (c *conn) OnGone(f func()) {
	c.mu.Lock()
	c.gone = f
	c.mu.Unlock()
}

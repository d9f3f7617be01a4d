package h2

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/proxy/relay"
)

// mayWrite is why s takes nothing more, nil while it does. Locked.
func (s *stream) mayWrite() error {
	switch {
	case s.sendErr != nil:
		return s.sendErr
	case s.noWrite:
		return relay.ErrInterrupted
	}
	return nil
}

// Write implements relay.Client and relay.Upstream.
func (s *stream) Write(p []byte) error {
	c := s.c
	c.mu.Lock()
	for len(p) > 0 {
		if err := s.mayWrite(); err != nil {
			c.passOn()
			c.mu.Unlock()
			return err
		}
		n := min(len(p), s.sendWindow, c.sendWindow, c.free(), c.peer.maxFrame)
		if n <= 0 {
			s.waitRoom(false)
			continue
		}
		s.put(p[:n])
		p = p[n:]
	}
	c.passOn()
	flush := len(c.out) >= flushAt
	c.mu.Unlock()
	if flush {
		c.flush()
	}
	return nil
}

// put appends a DATA frame. Locked.
func (s *stream) put(p []byte) {
	c := s.c
	c.room(wire.HeaderSize + len(p))
	c.tail, c.tailAt = s, len(c.out)
	c.out = wire.AppendData(c.out, s.id, p, false)
	s.sendWindow -= len(p)
	c.sendWindow -= len(p)
	s.sent += int64(wire.HeaderSize + len(p))
	c.guards.sent(len(p))
}

// waitRoom waits until there may be room to write. Locked.
func (s *stream) waitRoom(headOnly bool) {
	c := s.c
	if c.settle() {
		return
	}
	if headOnly || s.sendWindow > 0 { // it is the connection that has none
		s.headOnly = headOnly
		s.held = true
		c.held = append(c.held, s)
	} else {
		c.passOn()
	}
	s.user.alone()
	s.w.Wait()
	if s.held {
		c.unhold(s)
	}
}

// ready waits until a head can be written. Locked.
func (s *stream) ready() error {
	for {
		err := s.mayWrite()
		if err != nil || s.c.free() > 0 {
			s.c.passOn() // it may have been woken in the place of another
			return err
		}
		s.waitRoom(true)
	}
}

// head is a head in the making.
type head struct {
	c  *conn
	at int
	x  wire.Field
}

// begin begins a HEADERS frame, for fields of about size bytes. Locked.
func (c *conn) begin(size int) head {
	c.room(size + wire.HeaderSize)
	c.tail = nil
	h := head{c: c, at: len(c.out)}
	c.out = wire.OpenHeaders(c.out)
	return h
}

func (h *head) pseudo(r wire.Role, value []byte) {
	h.x = wire.Field{Name: r.Name(), Value: decode.View(value), Role: r}
	h.c.out = h.c.enc.Append(h.c.out, &h.x)
}

// field adds a field, in lower case (RFC 9113, 8.2.1).
func (h *head) field(f *http1.Field) {
	h.x = wire.Field{Value: decode.View(f.Value), Role: roleOf(f.ID)}
	if h.x.Role != wire.RoleUnset {
		h.x.Name = h.x.Role.Name()
	} else {
		h.x.Name = decode.View(h.c.lowered(f.Name))
	}
	h.c.out = h.c.enc.Append(h.c.out, &h.x)
}

// lowered is a name in lower case, good until the next call. Locked.
func (c *conn) lowered(name []byte) []byte {
	for i, b := range name {
		if b-'A' < 26 {
			c.lower = append(c.lower[:0], name...)
			for ; i < len(name); i++ {
				if x := c.lower[i]; x-'A' < 26 {
					c.lower[i] = x | 0x20
				}
			}
			return c.lower
		}
	}
	return name
}

// fields adds those that are not of one connection, nor HTTP/1.1's way to agree
// on WebSockets, nor Host.
func (h *head) fields(all []http1.Field) {
	for i := range all {
		f := &all[i]
		if f.Hop {
			continue
		}
		switch f.ID {
		case http1.Connection, http1.KeepAliveField, http1.ProxyConnection, http1.TransferEncoding, http1.UpgradeField,
			http1.HTTP2Settings, http1.HostField:
			continue
		case http1.TE: // RFC 9113, 8.2.2
			if !is(f.Value, "trailers") {
				continue
			}
		case http1.Other:
			if len(f.Name) == len(webSocketKey) && is(f.Name, webSocketKey) || len(f.Name) == len(webSocketAccept) && is(f.Name, webSocketAccept) {
				continue
			}
		}
		h.field(f)
	}
}

// RFC 8441, 5: these are HTTP/1.1's alone.
const (
	webSocketKey    = "sec-websocket-key"
	webSocketAccept = "sec-websocket-accept"
)

// is compares text with s, which is lower-case.
func is(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if c-'A' < 26 {
			c |= 0x20
		}
		if c != s[i] {
			return false
		}
	}
	return true
}

// sizeOf is about what fields take in a block.
func sizeOf(all []http1.Field) (n int) {
	for i := range all {
		n += len(all[i].Name) + len(all[i].Value) + 8
	}
	return n
}

// done completes the frame.
func (h *head) done(s *stream, end bool) {
	c := h.c
	c.out = wire.CloseHeaders(c.out, h.at, s.id, end, c.peer.maxFrame)
	s.sent += int64(len(c.out) - h.at)
	if end {
		s.endSent()
	}
}

// finish sends the end of what we send. Locked.
func (s *stream) finish(trailers []http1.Field) {
	c := s.c
	switch {
	case len(trailers) > 0:
		h := c.begin(sizeOf(trailers))
		h.fields(trailers)
		h.done(s, true)
	case c.tail == s: // the last frame can still say it
		c.out[c.tailAt+4] |= wire.FlagEndStream
		s.endSent()
	default:
		c.room(wire.HeaderSize)
		c.out = wire.AppendData(c.out, s.id, nil, true)
		s.sent += wire.HeaderSize
		s.endSent()
	}
	c.tail = nil
}

// Finish implements relay.Client and relay.Upstream.
func (s *stream) Finish(trailers []http1.Field) error {
	c := s.c
	c.mu.Lock()
	err := s.ready()
	if err == nil && !s.sentEnd {
		s.finish(trailers)
	}
	c.mu.Unlock()
	return err
}

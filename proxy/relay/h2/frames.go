package h2

import (
	"errors"

	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/proxy/relay"
)

// fault ends a stream for what the peer sent on it.
func (c *conn) fault(err *wire.Error) *wire.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.answered(); e != nil {
		return e
	}
	s := c.streams.get(err.Stream)
	switch {
	case s != nil && s.how == forgotten:
		s.reset(err.Code, s.blame(err))
		c.touch(s)
	case s != nil && s.how == byUs:
		return nil
	case s != nil:
		s.how = byUs
		fallthrough
	default:
		c.sendReset(err.Stream, err.Code)
		c.past.add(err.Stream, byUs)
	}
	return c.brokeOff()
}

// sendReset appends RST_STREAM. Locked.
func (c *conn) sendReset(id uint32, code wire.Code) {
	if c.writeErr != nil {
		return
	}
	c.room(wire.HeaderSize + 4)
	c.out = wire.AppendRSTStream(c.out, id, code)
	c.tail = nil
}

// refuse ends the connection for what the peer sent on it.
func (c *conn) refuse(err *wire.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.farewell(c.lastSeen, err.Code, err.Reason)
	c.wrong, c.closing = err, true
}

// farewell appends the last GOAWAY. Locked.
func (c *conn) farewell(last uint32, code wire.Code, reason string) {
	c.room(wire.HeaderSize + 8 + len(reason))
	c.out = wire.AppendGoAway(c.out, last, code, reason)
	c.tail = nil
	c.going = decided
}

// data takes a DATA frame (RFC 9113, 6.1).
func (c *conn) data(h wire.Header, p []byte) *wire.Error {
	data, pad, err := h.Unpad(p)
	if err != nil {
		return err
	}
	end := h.Has(wire.FlagEndStream)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p) > c.recvWindow {
		return &wire.Error{Code: wire.FlowControlError, Reason: "DATA over the connection's window"}
	}
	c.recvWindow -= len(p)
	if err := c.carried(len(data), end); err != nil {
		return err
	}
	s := c.streams.get(h.Stream)
	if s == nil || s.recvEnd || s.how != forgotten {
		c.takenBack(len(p))
		return c.stray(h, s)
	}
	s.received += int64(wire.HeaderSize + len(p))
	if len(p) > s.recvWindow {
		c.takenBack(len(p))
		return &wire.Error{Code: wire.FlowControlError, Stream: s.id, Reason: "DATA over the stream's window"}
	}
	s.recvWindow -= len(p)
	if pad > 0 {
		s.takenBack(pad)
	}
	if err := s.hold(data, end); err != nil {
		c.takenBack(len(data))
		return err
	}
	if end {
		s.endRecv()
	}
	c.touch(s)
	return nil
}

// touch has s woken when all that was read has been handled. Locked.
func (c *conn) touch(s *stream) {
	if !s.touched {
		s.touched = true
		c.touched = append(c.touched, s)
	}
}

// takenBack notes n bytes as taken, and asks for more when they are many. It
// reports whether something is to be flushed. Locked.
func (c *conn) takenBack(n int) bool {
	c.credit += n
	if 2*c.credit < c.o.ConnWindow || c.writeErr != nil {
		return false
	}
	c.room(wire.HeaderSize + 4)
	c.out = wire.AppendWindowUpdate(c.out, 0, uint32(c.credit))
	c.tail = nil
	c.recvWindow += c.credit
	c.credit = 0
	return true
}

// stray judges a frame for a stream that takes none (RFC 9113, 5.1). s is nil
// where nobody uses the stream any more. Locked.
func (c *conn) stray(h wire.Header, s *stream) *wire.Error {
	if s == nil && c.side.idle(h.Stream) {
		return &wire.Error{Code: wire.ProtocolError, Reason: h.Type.String() + " on a stream that was never opened"}
	}
	ended := c.past.of(h.Stream)
	if s != nil {
		ended = s.how
	}
	switch {
	case ended == byUs:
		return nil // it was on its way
	case h.Type == wire.FrameHeaders && ended == inOrder:
		return &wire.Error{Code: wire.StreamClosed, Reason: "HEADERS on a stream that has ended"}
	case s == nil && h.Type == wire.FrameHeaders && ended == forgotten:
		return &wire.Error{Code: wire.ProtocolError, Reason: "HEADERS on a stream of the past"}
	}
	return &wire.Error{Code: wire.StreamClosed, Stream: h.Stream, Reason: h.Type.String() + " after the end of the stream"}
}

// rstStream takes RST_STREAM (RFC 9113, 6.4).
func (c *conn) rstStream(h wire.Header, p []byte) *wire.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams.get(h.Stream)
	if s == nil {
		if c.side.idle(h.Stream) {
			return &wire.Error{Code: wire.ProtocolError, Reason: "RST_STREAM on a stream that was never opened"}
		}
		return c.chat()
	}
	if s.closed() {
		return c.chat()
	}
	s.brokenByPeer(wire.ParseRSTStream(p))
	c.touch(s)
	if c.server {
		return c.brokeOff()
	}
	return nil
}

// settingsFrame takes SETTINGS (RFC 9113, 6.5).
func (c *conn) settingsFrame(h wire.Header, p []byte) *wire.Error {
	c.greeted = true
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.Has(wire.FlagAck) {
		if !c.acked {
			c.acked = true
			c.dec.SetTableSize(c.o.Table)
		}
		return nil
	}
	for {
		x, rest, ok := wire.ParseSetting(p)
		if !ok {
			break
		}
		if err := x.Check(); err != nil {
			return err
		}
		if err := c.setting(x); err != nil {
			return err
		}
		p = rest
	}
	c.peer.known = true
	c.room(wire.HeaderSize)
	c.out = wire.AppendSettingsAck(c.out)
	c.tail = nil
	c.side.spare()
	if err := c.chat(); err != nil {
		return err
	}
	return c.answered()
}

// setting takes one of the peer's. Locked.
func (c *conn) setting(x wire.Setting) *wire.Error {
	switch x.ID {
	case wire.SettingHeaderTableSize:
		c.enc.SetTableSize(x.Value)
	case wire.SettingEnablePush:
		if !c.server && x.Value != 0 { // RFC 9113, 6.5.2
			return &wire.Error{Code: wire.ProtocolError, Reason: "a server enables push"}
		}
	case wire.SettingMaxConcurrentStreams:
		c.peer.maxStreams = x.Value
	case wire.SettingMaxFrameSize:
		c.peer.maxFrame = int(x.Value)
	case wire.SettingEnableConnectProtocol:
		c.peer.connect = x.Value == 1
	case wire.SettingInitialWindowSize:
		return c.newWindow(int(x.Value))
	}
	return nil
}

// newWindow moves the windows of all streams (RFC 9113, 6.9.2). Locked.
func (c *conn) newWindow(n int) *wire.Error {
	more := n - c.peer.window
	c.peer.window = n
	for _, s := range c.streams.slots {
		if s == nil {
			continue
		}
		if s.sendWindow += more; s.sendWindow > mostWindow {
			return &wire.Error{Code: wire.FlowControlError, Reason: "a new initial window makes that of a stream too large"}
		}
		if more > 0 {
			s.w.Signal()
		}
	}
	return nil
}

func (c *conn) ping(h wire.Header, p []byte) *wire.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.Has(wire.FlagAck) {
		c.side.ponged([8]byte(p))
		return nil
	}
	if err := c.chat(); err != nil {
		return err
	}
	c.room(wire.HeaderSize + 8)
	c.out = wire.AppendPing(c.out, true, [8]byte(p))
	c.tail = nil
	return c.answered()
}

// goAway takes GOAWAY (RFC 9113, 6.8).
func (c *conn) goAway(p []byte) *wire.Error {
	last, code, _ := wire.ParseGoAway(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.side.goAway(last, code)
	return c.chat()
}

// windowUpdate takes WINDOW_UPDATE (RFC 9113, 6.9).
func (c *conn) windowUpdate(h wire.Header, p []byte) *wire.Error {
	n, err := h.ParseWindowUpdate(p)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.opened(); err != nil {
		return err
	}
	if h.Stream == 0 {
		if c.sendWindow += int(n); c.sendWindow > mostWindow {
			return &wire.Error{Code: wire.FlowControlError, Reason: "the connection's window is too large"}
		}
		return nil // batched passes it on
	}
	s := c.streams.get(h.Stream)
	if s == nil {
		if c.side.idle(h.Stream) {
			return &wire.Error{Code: wire.ProtocolError, Reason: "WINDOW_UPDATE on a stream that was never opened"}
		}
		return nil
	}
	if s.sendWindow += int(n); s.sendWindow > mostWindow {
		return &wire.Error{Code: wire.FlowControlError, Stream: s.id, Reason: "the stream's window is too large"}
	}
	s.w.Signal()
	return nil
}

// resetError is what a peer's RST_STREAM makes calls fail with.
type resetError struct{ code wire.Code }

func (e resetError) Error() string { return "h2: the peer has reset the stream: " + e.code.String() }
func (e resetError) Unwrap() error { return relay.ErrReset }

// errUnsupported says that the host does not know extended CONNECT.
var errUnsupported = errors.New("h2: the host does not take upgrades (SETTINGS_ENABLE_CONNECT_PROTOCOL)")

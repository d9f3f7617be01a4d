package h2

import (
	"errors"
	"time"

	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/socket"
)

// reader is what the reading goroutine alone knows of its connection.
type reader struct {
	in   []byte // memory to read into; lent while bytes are in hand
	r, w int    // those not handled yet are in[r:w]
	now  int64  // when the bytes in hand came
	rest int64  // since when a frame or a field block has been incomplete; 0 while none is

	dec     wire.Decoder
	section *wire.Section // lent while bytes are in hand

	prefaced bool        // the client's preface has come (or need not)
	greeted  bool        // so has the first SETTINGS
	block    []byte      // field block in pieces
	blockOf  wire.Header // the HEADERS frame that began it; Stream is 0 outside of one
	pieces   int
	size     int   // bytes on the wire of the section in hand
	ended    error // why reading ended
}

// read reads and handles what the peer sends, to its end.
func (c *conn) read(first []byte) error {
	if len(first) > 0 {
		c.in = c.mem.get(max(len(first), large))[:0]
		c.in = c.in[:cap(c.in)]
		copy(c.in, first)
		if !c.took(len(first)) {
			return c.ended
		}
	}
	c.flush()
	for c.ended == nil { // ends with the first error
		if err := c.raw.Read(c.onRead); err != nil && c.ended == nil {
			if c.rests() {
				return errRest
			}
			c.ended = err
		}
	}
	return c.ended
}

// readable handles what is there; false waits for more. All of a connection is
// read inside one call of RawConn.Read: a Read begins with forgetting what the
// poller has said, so that it must try first and mostly learns that nothing is
// there. Inside of it nothing is forgotten.
func (c *conn) readable(fd uintptr) bool {
	for {
		n, err := c.nc.TryRead(fd, c.space(large))
		switch {
		case errors.Is(err, socket.ErrAgain):
			c.relax()
			return false
		case err != nil:
			c.ended = err
			return true
		case !c.took(n):
			return true
		}
	}
}

// space is where to read to.
func (c *conn) space(size int) []byte {
	switch {
	case c.in == nil:
		c.in = c.mem.get(size)
		c.in, c.r, c.w = c.in[:cap(c.in)], 0, 0
	case c.r == c.w:
		c.r, c.w = 0, 0
	case c.r > 0:
		c.w = copy(c.in, c.in[c.r:c.w])
		c.r = 0
	}
	if whole := wire.HeaderSize + c.o.MaxFrame; c.w > 0 && len(c.in) < whole {
		c.in = c.mem.grow(c.in[:c.w], whole-c.w)
		c.in = c.in[:cap(c.in)]
	}
	return c.in[c.w:]
}

// relax gives memory back while nothing is in hand.
func (c *conn) relax() {
	if c.in != nil && c.r == c.w {
		c.mem.put(c.in)
		c.in, c.r, c.w = nil, 0, 0
	}
}

// took handles n bytes that were read; false when the connection is over.
func (c *conn) took(n int) bool {
	c.now = time.Now().UnixNano()
	if c.watch != nil {
		c.watch(event.ToServer, c.now, c.in[c.w:c.w+n]) // clients' connections only are watched
	}
	c.w += n
	err := c.frames()
	c.incomplete()
	c.batched()
	if err == nil {
		return true
	}
	c.refuse(err)
	c.ended = err
	return false
}

// frames handles those that are whole.
func (c *conn) frames() *wire.Error {
	if !c.prefaced {
		if ok, err := c.preface(); !ok {
			return err
		}
	}
	for c.w-c.r >= wire.HeaderSize {
		h := wire.ParseHeader(c.in[c.r:])
		if err := c.order(h); err != nil {
			return err
		}
		if c.w-c.r < wire.HeaderSize+h.Length {
			break
		}
		p := c.in[c.r+wire.HeaderSize:][:h.Length]
		c.r += wire.HeaderSize + h.Length
		err := h.Check(c.o.MaxFrame)
		if err == nil {
			err = c.frame(h, p)
		}
		if err != nil && err.Stream != 0 {
			err = c.fault(err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// preface takes what a client begins with (RFC 9113, 3.4).
func (c *conn) preface() (ok bool, err *wire.Error) {
	b := c.in[c.r:c.w]
	n := min(len(b), len(wire.Preface))
	if string(b[:n]) != wire.Preface[:n] {
		return false, &wire.Error{Code: wire.ProtocolError, Reason: "the connection does not begin with HTTP/2's preface"}
	}
	if n < len(wire.Preface) {
		return false, nil
	}
	c.r += n
	c.prefaced = true
	return true, nil
}

// order looks at what may not come now, before the rest of the frame is waited
// for.
func (c *conn) order(h wire.Header) *wire.Error {
	switch {
	case h.Length > c.o.MaxFrame:
		return h.Check(c.o.MaxFrame)
	case !c.greeted && (h.Type != wire.FrameSettings || h.Has(wire.FlagAck)):
		return &wire.Error{Code: wire.ProtocolError, Reason: "the first frame is not SETTINGS"}
	case c.blockOf.Stream != 0 && (h.Type != wire.FrameContinuation || h.Stream != c.blockOf.Stream):
		return &wire.Error{Code: wire.ProtocolError, Reason: "a field block is interrupted"}
	case c.blockOf.Stream == 0 && h.Type == wire.FrameContinuation:
		return &wire.Error{Code: wire.ProtocolError, Reason: "CONTINUATION outside of a field block"}
	}
	return nil
}

// incomplete notes whether the rest of something is waited for.
func (c *conn) incomplete() {
	if c.r == c.w && c.blockOf.Stream == 0 && c.prefaced {
		if c.rest != 0 {
			c.mu.Lock()
			c.rest = 0
			c.mu.Unlock()
		}
		return
	}
	if c.rest == 0 {
		c.mu.Lock()
		c.rest = c.now
		c.arm(c.now + int64(c.o.Frame))
		c.mu.Unlock()
	}
}

// batched wakes who was waiting for what has been read, and starts who is new.
func (c *conn) batched() {
	if c.section != nil {
		c.mem.sections.Put(c.section)
		c.section = nil
	}
	c.side.begin()
	c.mu.Lock()
	c.readAt = c.now
	for i, s := range c.touched {
		c.touched[i] = nil
		if s.waits {
			s.r.Signal()
		}
		s.tellNews()
		s.callGone()
		if s.touched = false; s.left {
			s.user.recycle()
		}
	}
	c.touched = c.touched[:0]
	c.passOn()
	c.mu.Unlock()
	c.flush()
}

// frame handles one frame.
func (c *conn) frame(h wire.Header, p []byte) *wire.Error {
	switch h.Type {
	case wire.FrameData:
		return c.data(h, p)
	case wire.FrameHeaders:
		return c.headers(h, p)
	case wire.FrameContinuation:
		return c.continuation(h, p)
	case wire.FrameRSTStream:
		return c.rstStream(h, p)
	case wire.FrameSettings:
		return c.settingsFrame(h, p)
	case wire.FramePing:
		return c.ping(h, p)
	case wire.FrameGoAway:
		return c.goAway(p)
	case wire.FrameWindowUpdate:
		return c.windowUpdate(h, p)
	case wire.FramePushPromise: // RFC 9113, 8.4: a client must not, and we have forbidden it to servers
		return &wire.Error{Code: wire.ProtocolError, Reason: "PUSH_PROMISE though push is off"}
	case wire.FramePriority:
		if err := h.CheckPriority(p); err != nil {
			return err
		}
	}
	return c.chatter()
}

// headers begins a field block, or is one.
func (c *conn) headers(h wire.Header, p []byte) *wire.Error {
	fragment, err := h.Fragment(p)
	switch {
	case err != nil && err.Stream == 0:
		return err
	case err != nil: // the block has to be read all the same
		c.section = c.lendSection()
		if e := c.dec.Decode(fragmentOf(h, p), c.section); e != nil && !errors.Is(e, wire.ErrTooLarge) {
			return unreadable(e)
		}
		return err
	case h.Has(wire.FlagEndHeaders):
		return c.decode(h, fragment)
	case len(fragment) > c.o.Block:
		return errBlock()
	}
	c.blockOf, c.pieces = h, 0
	c.block = append(c.mem.grow(c.block, len(fragment)), fragment...)
	return nil
}

// fragmentOf is a HEADERS frame's fragment, whatever its stream depends on.
func fragmentOf(h wire.Header, p []byte) []byte {
	h.Stream ^= 1 << 30
	fragment, _ := h.Fragment(p)
	return fragment
}

func errBlock() *wire.Error {
	return &wire.Error{Code: wire.EnhanceYourCalm, Reason: "a field block is larger than allowed"}
}

func (c *conn) continuation(h wire.Header, p []byte) *wire.Error {
	c.pieces++
	if len(c.block)+len(p) > c.o.Block || c.pieces > c.o.Continuations {
		return errBlock()
	}
	c.block = append(c.mem.grow(c.block, len(p)), p...)
	if !h.Has(wire.FlagEndHeaders) {
		return nil
	}
	first, block := c.blockOf, c.block
	c.blockOf, c.block = wire.Header{}, nil
	first.Length = len(block) + c.pieces*wire.HeaderSize
	err := c.decode(first, block)
	c.mem.put(block)
	return err
}

// decode undoes the compression of a whole block.
func (c *conn) decode(h wire.Header, block []byte) *wire.Error {
	c.section = c.lendSection()
	err := c.dec.Decode(block, c.section)
	large := errors.Is(err, wire.ErrTooLarge)
	if err != nil && !large {
		return unreadable(err)
	}
	c.size = wire.HeaderSize + h.Length
	return c.side.section(h.Stream, h.Has(wire.FlagEndStream), c.section, large)
}

func (c *conn) lendSection() *wire.Section {
	if c.section != nil {
		return c.section
	}
	return c.mem.sections.Get().(*wire.Section)
}

func unreadable(err error) *wire.Error {
	return &wire.Error{Code: wire.CompressionError, Reason: err.Error()}
}

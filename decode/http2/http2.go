package http2

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// Options of the decoder.
type Options struct {
	Layers []decode.Layer // protocols that ride on HTTP, asked in order
}

// Protocol is the decoder's entry in the list of protocols. It takes over
// connections that HTTP/1.1 upgraded to h2c (RFC 7540, 3.2).
func Protocol(o Options) decode.Protocol {
	return decode.Protocol{
		Name:   "http2",
		Detect: Detect,
		New:    func(c decode.Conn) decode.Decoder { return newConn(c, o) },
		Take:   func(c decode.Conn, h decode.Handover) decode.Decoder { return take(c, h, o) },
	}
}

// conn follows one connection. It never loses its place for good.
type conn struct {
	c      decode.Conn
	layer  decode.Conn // c as layers get it: Inspect says which frame
	layers []decode.Layer
	half   [2]half
	set    streams
	gone   []waiting     // streams that their client gave up, oldest first
	emit   event.Emitter // of the call that is under way
	late   *mark         // the bytes being fed were kept: where they came from
	text   []byte        // of messages told
	woes   int           // failures told
	usual  usual

	off   int // where the fed bytes begin in those of the call under way
	shown frameAt
}

// frameAt is the frame that layers are being shown.
type frameAt struct {
	offset int64
	stream uint32
}

// maxWoes bounds how often a connection complains.
const maxWoes = 8

func newConn(c decode.Conn, o Options) *conn {
	t := &conn{c: c, layers: o.Layers}
	t.layer = c
	if c.Inspect != nil {
		t.layer.Inspect = t.inspectLayer
	}
	t.set.begin(c.MidStream)
	for d := range t.half {
		h := &t.half[d]
		h.hpack, h.maxFrame, h.settled = begin(&t.c, c.MidStream), frameLimit, true
		h.state = between
		if c.MidStream {
			h.state = lost
			h.unsettle()
		}
	}
	if !c.MidStream {
		t.half[event.ToServer].state = opening
	}
	return t
}

// Feed consumes b. It never fails.
func (t *conn) Feed(d event.Dir, at int64, b []byte, emit event.Emitter) error {
	t.emit = emit
	t.sweep(at)
	t.feed(d, at, b)
	t.emit = nil
	return nil
}

// End ends nothing: streams end by frames.
func (t *conn) End(event.Dir, int64, event.Emitter) {}

// Close tells the streams that are still open.
func (t *conn) Close(at int64, emit event.Emitter) {
	t.emit = emit
	for d := range t.half {
		t.giveUpSearch(event.Dir(d))
	}
	for s := t.set.first; s != nil; s = t.set.first {
		t.cut(s, at)
	}
	t.emit = nil
}

// position is the TCP sequence number of the byte at off of those being fed, 0
// where it is not known.
func (t *conn) position(d event.Dir, off int) uint32 {
	switch {
	case t.c.Position == nil:
		return 0
	case t.late != nil:
		return t.late.seq + uint32(off)
	}
	return t.c.Position(d, off)
}

// failure says that something could not be read.
func (t *conn) failure(d event.Dir, at int64, why string) {
	if t.woes++; t.woes > maxWoes {
		return
	}
	t.emit.Notice(&event.Notice{Time: at, Name: event.EventDecodeFailure, Severity: event.Warn,
		Body: "http2: " + side(d) + ": " + why})
}

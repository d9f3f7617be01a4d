package websocket

import (
	"strconv"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// violation tells what was against the protocol, once in each direction: a
// peer that breaks one rule breaks it in every frame.
func (t *conn) violation(d event.Dir, at int64, what string, emit event.Emitter) {
	if h := &t.half[d]; !h.told {
		h.told = true
		t.notice(at, event.EventViolation, side(d)+": "+what, emit)
	}
}

// lose gives up the place in direction d for good.
func (t *conn) lose(d event.Dir, at int64, why string, emit event.Emitter) {
	h := &t.half[d]
	h.lost, h.inside, h.have = true, false, 0
	t.notice(at, event.EventDecodeFailure, side(d)+": "+why, emit)
}

func (t *conn) notice(at int64, name, body string, emit event.Emitter) {
	emit.Notice(&event.Notice{Time: at, Name: name, Severity: event.Warn, TraceID: t.x.TraceID, SpanID: t.x.ParentID, Body: Name + ": " + body})
}

// inspect tells the frame that has come to its end.
func (t *conn) inspect(d event.Dir, at int64) {
	if t.c.Inspect == nil {
		return
	}
	h := &t.half[d]
	m := decode.Message{
		Dir: d, At: at, Offset: h.begun, Size: int64(h.header) + h.size, Protocol: Name, Kind: h.kind(), Stream: t.h2.StreamID,
		Text: t.describe(h), Flags: h.flags,
	}
	t.c.Inspect(&m)
}

// describe says in one line what a frame is, and nothing of what it says but
// for the reason of a close.
func (t *conn) describe(h *half) string {
	b := strconv.AppendInt(t.line[:0], h.size, 10)
	b = append(b, " bytes"...)
	for _, p := range [...]struct {
		is   bool
		word string
	}{
		{!h.final(), ", more to come"}, {h.first&compressed != 0, ", compressed"}, {h.masked, ", masked"},
	} {
		if p.is {
			b = append(b, p.word...)
		}
	}
	if h.opcode() == opClose && h.kept >= 2 {
		b = append(b, ", code "...)
		b = strconv.AppendInt(b, int64(h.said[0])<<8|int64(h.said[1]), 10)
		if h.kept > 2 {
			b = strconv.AppendQuote(append(b, ' '), string(h.said[2:h.kept]))
		}
	}
	t.line = b
	return decode.View(b)
}

package http2

import (
	"encoding/binary"

	"github.com/pitot-io/pitot/internal/event"
)

// reset ends a stream by RST_STREAM (RFC 9113, 6.4).
func (t *conn) reset(d event.Dir, at int64, p []byte) {
	s := t.set.find(t.half[d].frame.stream)
	if s == nil {
		return
	}
	name := unknown
	if len(p) >= 4 {
		name = codeName(binary.BigEndian.Uint32(p))
	} else {
		s.x.Decode |= gapFlag(d)
	}
	if s.h2.Reset == "" {
		s.h2.Reset, s.h2.ResetBy = name, side(d)
	}
	s.last = at
	switch {
	case s.told, s.ended[event.ToClient]:
		t.finish(s)
	case s.answered || s.p.ResponseBody > 0:
		t.broken(s, at)
	case d == event.ToServer:
		t.linger(s, at)
	default:
		t.unanswered(s, at)
	}
}

// side is who sends in direction d.
func side(d event.Dir) string {
	if d == event.ToServer {
		return "client"
	}
	return "server"
}

// broken tells an exchange whose answer a reset has ended.
func (t *conn) broken(s *stream, at int64) {
	s.x.End = at
	if s.x.ErrorType == "" {
		s.x.Status, s.x.ErrorType = event.Error, s.h2.Reset
	}
	t.finish(s)
}

// settings applies what one side says of what it takes.
func (t *conn) settings(d event.Dir, p []byte) {
	f := t.half[d].frame
	switch {
	case f.has(flagAck):
	case len(p) < f.length: // what is missing may allow anything
		t.half[d.Other()].unsettle()
	default:
		t.apply(d, p)
	}
}

// unsettle forgets how large a frame may be.
func (h *half) unsettle() { h.maxFrame, h.settled = maxFrame, false }

// apply reads settings that came in direction d, which bind the other one. The
// size of its table needs no attention here: who compresses says in the next
// block what it made of it (RFC 7541, 4.2).
func (t *conn) apply(d event.Dir, p []byte) {
	for ; len(p) >= 6; p = p[6:] {
		v := binary.BigEndian.Uint32(p[2:])
		if binary.BigEndian.Uint16(p) == settingMaxFrame && v >= frameLimit && v <= maxFrame {
			o := &t.half[d.Other()]
			o.maxFrame = max(o.maxFrame, int(v))
		}
	}
}

// goAway tells the streams that the server says it will not answer (RFC 9113,
// 6.8).
func (t *conn) goAway(d event.Dir, at int64, p []byte) {
	if d != event.ToClient || len(p) < 8 {
		return
	}
	last := binary.BigEndian.Uint32(p) &^ (1 << 31)
	for s := t.set.first; s != nil; {
		next := s.next
		if s.id > last && s.id&1 == 1 && !s.answered && !s.told {
			t.unanswered(s, at)
		}
		s = next
	}
}

package http2

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/internal/event"
)

// answer fills in what the section of a final answer says. Where its status
// cannot be told it may have been an interim one: then the next section that
// has a status is the answer.
func (t *conn) answer(s *stream, at int64) {
	h := &t.half[event.ToClient]
	b, f := &h.block, &h.fields
	again := s.answered
	status, known := f.Of(wire.RoleStatus)
	s.answered, s.guessed = true, !known
	if f.Unsure() {
		s.x.Decode |= event.HPACKUnsure
	}
	if f.Cut {
		s.x.Decode |= event.BodyCut
	}
	s.x.FirstByte, s.x.ResponseSeq = b.at, b.seq
	s.grew(event.ToClient, b.bytes, at)
	t.status(s, parseStatus(status))
	if s.keep != nil {
		s.keep.head(event.ToClient, f, t.c.Keep)
	}
	t.answerLayer(s, f, b.offset, again)
	if s.p.Method == "CONNECT" && s.p.StatusCode/100 == 2 && !s.told {
		t.openTunnel(s, f, at)
	}
}

func (t *conn) answerLayer(s *stream, f *wire.Section, offset int64, again bool) {
	t.shows(offset, s.id)
	switch {
	case s.call != nil && !again:
		s.call.Answer(f)
		return
	case s.call != nil, s.requested && !s.retained:
		return // nobody would by the request, all of which is known
	}
	var request decode.Fields
	if s.requested {
		request = s.request
	}
	for _, l := range t.layers {
		if s.call = l.Open(&t.layer, request, f); s.call != nil {
			return
		}
	}
}

// status sets the answer's status, 0 for one that is not known.
func (t *conn) status(s *stream, code int) {
	s.p.StatusCode = code
	if code >= 500 { // semantic conventions: for a server, 4xx is no error
		s.x.Status = event.Error
		s.answerText = append(s.answerText[:0], byte('0'+code/100), byte('0'+code/10%10), byte('0'+code%10))
		s.x.ErrorType = decode.View(s.answerText)
	}
}

// parseStatus reads three digits (RFC 9110, 15).
func parseStatus(v string) int {
	if len(v) != 3 {
		return 0
	}
	n := 0
	for i := range len(v) {
		c := v[i] - '0'
		if c > 9 {
			return 0
		}
		n = n*10 + int(c)
	}
	return n
}

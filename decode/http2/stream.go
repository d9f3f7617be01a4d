package http2

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/internal/event"
)

// start opens a stream; nil when too many are open.
func (t *conn) start(id uint32) *stream {
	if len(t.set.open) >= t.c.Limits.Streams {
		s := t.set.first
		if s == nil || !s.blind[0] && !s.blind[1] {
			return nil
		}
		t.cut(s, s.last) // which has ended in a gap perhaps
	}
	s := t.set.add(id)
	t.init(s)
	return s
}

func (t *conn) init(s *stream) {
	s.x.Client, s.x.Server, s.x.Stream = t.c.Client, t.c.Server, t.c.Stream
	s.x.Kind, s.x.Protocol = event.Server, event.HTTP2
	s.x.HTTP, s.x.HTTP2 = &s.p, &s.h2
	s.h2.StreamID = s.id
	s.p.Version = "2"
	if t.c.MidStream {
		s.x.Decode |= event.MidStream
	}
	if t.c.Keep.Headers || t.c.Keep.Body > 0 {
		s.keep = new(keep)
		s.p.Detail = &s.keep.detail
	}
}

// latecomer opens a stream whose opening was not seen, where there may be one.
func (t *conn) latecomer(id uint32, at int64) *stream {
	if !t.set.unseen(id) {
		return nil
	}
	s := t.start(id)
	if s == nil {
		return nil
	}
	s.x.Start = at
	s.h2.Pushed = id&1 == 0
	s.ended[event.ToServer] = s.h2.Pushed
	if !t.c.MidStream {
		s.x.Decode |= event.RequestGap
	}
	return s
}

// fromClient gives a section that the client sent to its stream, which is nil
// when nobody wants it.
func (t *conn) fromClient(at int64) *stream {
	h := &t.half[event.ToServer]
	id, head := h.block.stream, isRequest(&h.fields)
	s := t.set.find(id)
	switch {
	case s != nil && (s.requested || !head):
		t.trailers(s, event.ToServer, at)
		return s
	case s == nil && id&1 == 0, s == nil && id <= t.set.highest && !t.set.unseen(id):
		return nil // over already
	case s == nil && !head:
		if s = t.latecomer(id, h.block.at); s != nil {
			t.trailers(s, event.ToServer, at)
		}
		return s
	}
	t.set.opened(id)
	refused := false
	if s == nil {
		if s = t.start(id); s == nil {
			s, refused = t.set.make(), true
			s.id = id
			t.init(s)
		}
	}
	t.request(s, event.ToServer, at)
	if refused { // told at once, so that the others keep their answers
		t.unanswered(s, at)
		return nil
	}
	return s
}

// fromServer gives a section that the server sent to its stream.
func (t *conn) fromServer(at int64) *stream {
	h := &t.half[event.ToClient]
	id := h.block.stream
	s := t.set.find(id)
	if s == nil {
		if s = t.latecomer(id, h.block.at); s == nil && id&1 == 1 && id > t.set.highest {
			if s = t.start(id); s != nil { // the request is on its way here
				s.early, s.x.Start = true, h.block.at
			}
		}
	}
	if s == nil {
		return nil
	}
	status, known := h.fields.Of(wire.RoleStatus)
	switch {
	case s.answered && !(s.guessed && known), !known && !h.fields.Unsure():
		t.trailers(s, event.ToClient, at)
	case known && len(status) == 3 && status[0] == '1' && status != "101":
		s.p.Interim = min(s.p.Interim, 254) + 1
		s.grew(event.ToClient, h.block.bytes, at)
	default:
		t.answer(s, at)
	}
	return s
}

// promise opens a stream by PUSH_PROMISE (RFC 9113, 8.4).
func (t *conn) promise(at int64) *stream {
	h := &t.half[event.ToClient]
	id := h.block.promised
	if id == 0 || id&1 == 1 || t.set.open[id] != nil {
		return nil
	}
	s := t.start(id)
	if s == nil {
		return nil
	}
	s.h2.Pushed = true
	t.request(s, event.ToClient, at)
	s.ended[event.ToServer] = true
	return s
}

// trailers takes a section after a body.
func (t *conn) trailers(s *stream, d event.Dir, at int64) {
	h := &t.half[d]
	s.grew(d, h.block.bytes, at)
	if h.fields.Unsure() {
		s.x.Decode |= event.HPACKUnsure
	}
	if s.call != nil {
		t.shows(h.block.offset, s.id)
		s.call.Trailers(d, &h.fields)
	}
}

// grew counts bytes of frames on the stream.
func (s *stream) grew(d event.Dir, n, at int64) {
	if d == event.ToServer {
		s.x.RequestBytes += n
	} else {
		s.x.ResponseBytes += n
	}
	s.last = max(s.last, at)
}

// closeSide notes END_STREAM in direction d.
func (t *conn) closeSide(s *stream, d event.Dir, at int64) {
	s.ended[d] = true
	switch {
	case d == event.ToClient:
		s.x.End = at
	case s.keep != nil:
		s.keep.detail.RequestEnd = at
	}
	if s.tunnel.inner != nil {
		t.endTunnel(s, d, at)
	}
	t.settle(s)
}

// settle tells the exchange when nothing more is to come.
func (t *conn) settle(s *stream) {
	switch {
	case !s.ended[event.ToClient]:
	case s.ended[event.ToServer], s.blind[event.ToServer], !s.requested && !s.early:
		t.finish(s)
	}
}

// finish tells a stream, or closes the tunnel of one that was told.
func (t *conn) finish(s *stream) {
	if s.told {
		t.closeTunnel(s, s.last)
		t.forget(s)
		return
	}
	t.tell(s)
	t.forget(s)
}

// A client that gives a request up before anything of its answer came may find
// that on its way already. So such a stream lingers for a while before it is
// told. What comes after a reset within an answer belongs to nobody.
const (
	lingerTime = 1_000_000_000 // nanoseconds
	maxLinger  = 64            // streams of a connection
)

// linger waits for what the server may have sent before it knew of the reset.
func (t *conn) linger(s *stream, at int64) {
	s.resetAt = at
	s.ended[event.ToServer] = true
	t.gone = append(t.gone, waiting{s, s.id, at})
	if len(t.gone) > maxLinger {
		t.depart(1)
	}
}

// waiting is a stream that lingers, unless it was told meanwhile.
type waiting struct {
	s  *stream
	id uint32
	at int64
}

// depart tells the first n that linger.
func (t *conn) depart(n int) {
	for _, w := range t.gone[:n] {
		if s := w.s; t.set.open[w.id] == s && s.resetAt == w.at {
			t.cut(s, w.at)
		}
	}
	t.gone = t.gone[:copy(t.gone, t.gone[n:])]
}

// sweep tells those that lingered for long enough by now.
func (t *conn) sweep(now int64) {
	n := 0
	for n < len(t.gone) && now-t.gone[n].at > lingerTime {
		n++
	}
	if n > 0 {
		t.depart(n)
	}
}

// forget drops a stream that may be the current one of a half.
func (t *conn) forget(s *stream) {
	for d := range t.half {
		if t.half[d].cur == s {
			t.half[d].cur = nil
		}
	}
	if t.set.open[s.id] == s {
		t.set.drop(s)
	}
}

// tell completes the exchange and passes it on.
func (t *conn) tell(s *stream) {
	if !s.requested {
		s.x.Decode |= event.NoRequest
		s.x.Name = "HTTP"
	}
	if s.keep != nil {
		s.keep.finish(&s.x, t.c.Keep.Body)
	}
	s.x.End = max(s.x.End, s.x.Start)
	s.told = true
	if s.call != nil {
		t.shows(0, s.id)
		s.call.Finish(&s.x)
	}
	t.emit.Exchange(&s.x)
	if s.call != nil {
		s.call.Told()
		s.call = nil
	}
}

// unanswered tells an exchange that never got its answer.
func (t *conn) unanswered(s *stream, at int64) {
	s.x.Decode |= event.NoResponse
	s.x.Status, s.x.ErrorType = event.Error, event.ErrUnanswered
	s.x.End = at
	if s.blind[event.ToClient] {
		s.x.Decode |= event.ResponseGap
	}
	t.finish(s)
}

// cut tells a stream that will not go on.
func (t *conn) cut(s *stream, at int64) {
	switch {
	case s.told:
		s.last = at
		t.finish(s)
		return
	case s.requested && !s.ended[event.ToServer] && !s.blind[event.ToServer]:
		s.x.Decode |= event.BodyCut
	}
	switch {
	case s.ended[event.ToClient]:
		t.finish(s)
	case (s.answered || s.p.ResponseBody > 0) && s.resetAt > 0:
		t.broken(s, s.last)
	case s.answered || s.p.ResponseBody > 0:
		s.x.End = s.last
		s.x.Decode |= event.BodyCut
		t.finish(s)
	default:
		if s.resetAt > 0 {
			at = s.resetAt
		}
		t.unanswered(s, at)
	}
}

// shows notes which frame layers are shown, for what they say of it.
func (t *conn) shows(offset int64, id uint32) { t.shown = frameAt{offset, id} }

var _ decode.Fields = (*wire.Section)(nil)

package http1

import (
	"bytes"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// Gap goes on inside a body when the missing bytes all belong to it, else
// looks for the next start line.
func (t *conn) Gap(d event.Dir, at, n int64, emit event.Emitter) {
	h := &t.half[d]
	if h.state == holding {
		t.ahead.Add(decode.Held{Dir: d, At: at, Gap: n}, nil)
		return
	}
	if h.state != handed {
		n = t.gap(d, n, emit)
	}
	if h.state == handed && n > 0 { // perhaps by what was left of a head or body
		t.next.Gap(d, at, n, emit)
	}
	h.pos += n
	if d == event.ToClient && h.missed {
		t.missedAnswer(at, emit)
	}
}

// gap is how many of the missing bytes are yet to be counted.
func (t *conn) gap(d event.Dir, n int64, emit event.Emitter) int64 {
	h := &t.half[d]
	switch h.state {
	case inBody:
		return t.gapInBody(d, n, emit)
	case opening, between:
		if h.state == between && len(h.buf) > 0 {
			t.salvage(d, gapFlag(d), emit)
		} else if d == event.ToClient {
			h.missed = true
		}
		h.giveUp()
	case lost:
		h.buf = h.buf[:0]
		h.missed = h.missed || d == event.ToClient
	}
	return n
}

// gapInBody counts missing bytes as the body's as far as its length allows.
func (t *conn) gapInBody(d event.Dir, n int64, emit event.Emitter) int64 {
	h := &t.half[d]
	more := int64(0) // beyond a body of known length
	if rest := h.body.Rest(); rest > 0 {
		n, more = min(n, rest), max(0, n-rest)
	}
	if h.cur != nil && h.cur.call != nil {
		h.cur.call.Lost(d, h.last, n)
	}
	if n <= 0 || !h.body.Skip(n) {
		t.cut(d, gapFlag(d), emit)
		if h.state == between {
			h.state = lost
		}
		return n + more
	}
	if h.cur != nil {
		h.cur.x.Decode |= gapFlag(d)
		h.cur.hole(d)
	}
	h.pos += n
	h.grew(d, n)
	if h.body.Done() {
		t.ended(d, emit)
	}
	if more > 0 && h.state != handed {
		return t.gap(d, more, emit)
	}
	return more
}

func gapFlag(d event.Dir) event.DecodeFlags {
	if d == event.ToServer {
		return event.RequestGap
	}
	return event.ResponseGap
}

// answersMissed tells the requests whose answers a gap has swallowed: their
// client went on to ask for something else.
func (t *conn) answersMissed(emit event.Emitter) {
	h := &t.half[event.ToClient]
	if !h.missed {
		return
	}
	h.missed = false
	for e := t.queue.front(); e != nil && e.asked && !e.answered; e = t.queue.front() {
		e.x.Decode |= event.ResponseGap
		t.unanswered(e, t.half[event.ToServer].last, emit)
	}
}

// cut ends the message being read before its time.
func (t *conn) cut(d event.Dir, flags event.DecodeFlags, emit event.Emitter) {
	h := &t.half[d]
	if h.cur != nil {
		h.cur.x.Decode |= flags | event.BodyCut
	}
	t.ended(d, emit)
}

// salvage makes what it can of a head that will not go on: all whole lines.
func (t *conn) salvage(d event.Dir, flags event.DecodeFlags, emit event.Emitter) {
	h := &t.half[d]
	buf := h.buf
	h.buf = h.buf[:0]
	h.head.Reset()
	k := bytes.LastIndexByte(buf, '\n') + 1
	if k == 0 {
		h.missed = h.missed || d == event.ToClient
		return
	}
	limit := t.c.Limits.Head
	t.c.Limits.Head += 2
	n, err := t.parse(d, append(buf[:k], '\r', '\n'))
	t.c.Limits.Head = limit
	if err != nil || n == 0 {
		h.head.Reset()
		return
	}
	h.head.Framing = UntilClose // so that there is a message to cut
	t.message(d, n-2, emit)
	if h.state == inBody {
		t.cut(d, flags, emit)
	}
}

// lose gives up the place in direction d.
func (t *conn) lose(d event.Dir, at int64, why string, emit event.Emitter) {
	t.half[d].giveUp()
	t.failure(d, at, why, emit)
}

func (h *half) giveUp() {
	h.head.Reset()
	if h.state == opening || h.state == between || h.state == inBody {
		h.state = lost
	}
}

// seek looks for a start line, one line at a time, and is how many bytes of b
// it used. Of a long line the end counts.
func (t *conn) seek(d event.Dir, at int64, b []byte, off int, emit event.Emitter) int {
	h, in := &t.half[d], b[off:]
	if len(h.buf) == 0 {
		t.mark(d, at, off)
	}
	k := bytes.IndexByte(in, '\n') + 1
	if k == 0 {
		h.pos += int64(len(in))
		h.hoard(in, t.c.Limits.Head)
		return len(in)
	}
	h.pos += int64(k)
	if len(h.buf) == 0 && k <= t.c.Limits.Head && recognise(d, in[:k]) < 0 {
		return k // the common case, without a copy
	}
	h.hoard(in[:k], t.c.Limits.Head)
	t.examine(d, at, emit)
	return k
}

// hoard keeps the last limit bytes of a line at least, and not much more.
func (h *half) hoard(b []byte, limit int) {
	if over := len(b) - 2*limit; over > 0 {
		b = b[over:]
		h.skip(over)
	}
	if over := len(h.buf) + len(b) - 2*limit; over > 0 {
		drop := min(len(h.buf), max(over, len(h.buf)-limit))
		h.skip(drop)
		h.buf = h.buf[:copy(h.buf, h.buf[drop:])]
	}
	h.buf = append(h.buf, b...)
}

// skip moves the mark n bytes on.
func (h *half) skip(n int) {
	h.seq += uint32(n)
	h.start += int64(n)
}

// examine looks at the whole line in buf: a start line begins a head, any
// other is forgotten.
func (t *conn) examine(d event.Dir, at int64, emit event.Emitter) {
	h := &t.half[d]
	from := max(0, len(h.buf)-t.c.Limits.Head)
	k := recognise(d, h.buf[from:])
	if k < 0 {
		h.buf = h.buf[:0]
		return
	}
	if from += k; from > 0 {
		h.at = at
		h.skip(from)
	}
	h.buf = h.buf[:copy(h.buf, h.buf[from:])]
	h.state = between
	h.last = at
	if _, err := t.parse(d, h.buf); err != nil {
		h.buf = h.buf[:0]
		h.head.Reset()
		h.state = lost
	}
}

// End completes a body that lasts until the end; any other is cut.
func (t *conn) End(d event.Dir, at int64, emit event.Emitter) {
	h := &t.half[d]
	if h.state == holding {
		t.ahead.Add(decode.Held{Dir: d, At: at, End: true}, nil)
		return
	}
	if h.state == inBody && h.head.Framing == UntilClose {
		t.ended(d, emit)
	}
	t.stop(d, emit)
	if h.state == handed {
		t.next.End(d, at, emit)
	}
}

// stop ends direction d wherever it is.
func (t *conn) stop(d event.Dir, emit event.Emitter) {
	h := &t.half[d]
	switch h.state {
	case inBody:
		t.cut(d, 0, emit)
	case between:
		if len(h.buf) == 0 {
			break
		}
		if d == event.ToClient && t.bareBuffered(emit) {
			t.ended(d, emit) // as by the end of the connection
			break
		}
		t.salvage(d, 0, emit)
	}
	if h.state != handed {
		h.state, h.buf = over, nil
	}
}

// Close reports what never got its answer.
func (t *conn) Close(at int64, emit event.Emitter) {
	t.missedAnswer(at, emit)
	t.stop(event.ToServer, emit)
	t.stop(event.ToClient, emit)
	for e := t.queue.front(); e != nil; e = t.queue.front() {
		if !e.asked {
			e.x.Decode |= event.BodyCut
		}
		if e.complete {
			t.tell(e, emit)
			continue
		}
		t.unanswered(e, at, emit)
	}
	if t.next != nil {
		t.next.Close(at, emit)
	}
}

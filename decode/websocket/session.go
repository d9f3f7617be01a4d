package websocket

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// Close codes (RFC 6455, 7.4.1) that no close frame carries.
const (
	codeNone     = 1005 // the close frame had none
	codeAbnormal = 1006 // there was no close frame
)

// failed reports whether a close code tells of an error.
func failed(code uint16) bool {
	switch code {
	case 1002, 1003, codeAbnormal, 1007, 1008, 1009, 1010, 1011, 1014:
		return true
	}
	return false
}

// complete counts the frame that has come to its end.
func (t *conn) complete(d event.Dir, at int64, emit event.Emitter) {
	h := &t.half[d]
	h.inside = false
	t.count(d, at)
	op := h.opcode()
	if op == opClose {
		t.closing(d)
	}
	t.inspect(d, at)
	switch {
	case op == opPing:
		t.ws.Pings++
		if !h.holed {
			h.pings.sent(at, h.said[:h.kept])
		}
	case op == opPong && !h.holed:
		t.pong(d, at)
	case h.closed && t.half[d.Other()].closed:
		t.tell(at, emit)
	}
}

// count counts the frame, and the message that it ends.
func (t *conn) count(d event.Dir, at int64) {
	h, frames, messages := &t.half[d], &t.ws.ClientFrames, &t.ws.ClientMessages
	if d == event.ToClient {
		frames, messages = &t.ws.ServerFrames, &t.ws.ServerMessages
	}
	*frames++
	if h.control() {
		return
	}
	if h.message = !h.final(); !h.message {
		*messages++
		t.message(d, at)
	}
}

// pong is the answer to a ping that said the same (RFC 6455, 5.5.3); one that
// answers nothing is allowed, and tells nothing.
func (t *conn) pong(d event.Dir, at int64) {
	h := &t.half[d]
	sent, ok := t.half[d.Other()].pings.answered(h.said[:h.kept])
	if rtt := at - sent; ok && (t.ws.PingRTT == 0 || rtt < t.ws.PingRTT) {
		t.ws.PingRTT = max(1, rtt) // 0 would say that none was answered
	}
}

// closing takes a close frame apart (RFC 6455, 5.5.1); that of the side that
// closes first says why.
func (t *conn) closing(d event.Dir) {
	h := &t.half[d]
	h.closed = true
	if t.ws.ClosedBy != "" {
		return
	}
	t.ws.ClosedBy = side(d)
	if h.kept < 2 {
		if !h.holed {
			t.ws.CloseCode = codeNone
		}
		return
	}
	t.ws.CloseCode = binary.BigEndian.Uint16(h.said[:])
	n := copy(t.reason[:], h.said[2:h.kept])
	t.ws.CloseReason = decode.View(t.reason[:n])
}

func side(d event.Dir) string {
	if d == event.ToServer {
		return "client"
	}
	return "server"
}

// tell tells the session, which ends here.
func (t *conn) tell(at int64, emit event.Emitter) {
	x := &t.x
	t.over = true
	x.End = max(x.End, at)
	t.ws.CloseReason = strings.ToValidUTF8(t.ws.CloseReason, "\ufffd")
	if code := t.outcome(); failed(code) {
		x.Status, x.ErrorType = event.Error, strconv.Itoa(int(code))
	}
	emit.Exchange(x)
}

// outcome is the session's close code, 0 where it is not known: a close frame
// may have been missed, or the session may go on where nobody watches.
func (t *conn) outcome() uint16 {
	switch {
	case t.ws.ClosedBy != "":
		return t.ws.CloseCode
	case t.half[0].lost || t.half[1].lost, t.c.Unwatched != nil && t.c.Unwatched():
		return 0
	}
	return codeAbnormal
}

// mostPings are remembered; of more that wait, the oldest are forgotten.
const mostPings = 8

// pings are those of one side that wait for their pong, oldest first.
type pings struct {
	n    int
	list [mostPings]ping
}

type ping struct {
	at   int64
	hash uint64 // of what it said
}

func (p *pings) sent(at int64, said []byte) {
	if p.n == mostPings {
		copy(p.list[:], p.list[1:])
		p.n--
	}
	p.list[p.n] = ping{at, hash(said)}
	p.n++
}

// answered is when the latest ping that said the same was sent. Those before it
// will get no answer of their own any more.
func (p *pings) answered(said []byte) (at int64, ok bool) {
	sum := hash(said)
	for i := p.n - 1; i >= 0; i-- {
		if p.list[i].hash == sum {
			at = p.list[i].at
			p.n = copy(p.list[:], p.list[i+1:p.n])
			return at, true
		}
	}
	return 0, false
}

// hash is FNV-1a.
func hash(b []byte) uint64 {
	sum := uint64(14695981039346656037)
	for _, c := range b {
		sum = (sum ^ uint64(c)) * 1099511628211
	}
	return sum
}

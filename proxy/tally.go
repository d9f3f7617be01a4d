package proxy

import (
	"sync/atomic"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// tally is the decoder of a connection whose bytes nobody looks at: it is told
// how many there were, and tells one exchange of protocol tcp in the end.
type tally struct {
	conn   decode.Conn
	bytes  [2]atomic.Int64
	first  [2]atomic.Int64
	begun  int64  // when the connection was accepted
	failed string // error.type; set before Close
	why    string
}

// saw counts n bytes in direction d. Each direction has one caller.
func (t *tally) saw(d event.Dir, at, n int64) {
	if t.first[d].Load() == 0 {
		t.first[d].Store(at)
	}
	t.bytes[d].Add(n)
}

func (t *tally) Feed(d event.Dir, at int64, b []byte, _ event.Emitter) error {
	t.saw(d, at, int64(len(b)))
	return nil
}

func (t *tally) Gap(d event.Dir, at, n int64, _ event.Emitter) { t.saw(d, at, n) }
func (t *tally) End(event.Dir, int64, event.Emitter)           {}

// Close tells the exchange. A connection that carried nothing is none, unless
// it failed.
func (t *tally) Close(at int64, emit event.Emitter) {
	up, down := t.first[event.ToServer].Load(), t.first[event.ToClient].Load()
	if up == 0 && down == 0 && t.failed == "" {
		return
	}
	x := event.Exchange{
		Protocol: event.TCP, Name: "tcp", Client: t.conn.Client, Server: t.conn.Server, Stream: t.conn.Stream,
		Start: t.begun, FirstByte: down, End: at,
		RequestBytes: t.bytes[event.ToServer].Load(), ResponseBytes: t.bytes[event.ToClient].Load(),
	}
	if first := earlier(up, down); first != 0 {
		x.Start = first
	}
	if t.failed != "" {
		x.Status, x.ErrorType, x.StatusMessage = event.Error, t.failed, t.why
	}
	emit.Exchange(&x)
}

// earlier is the smaller of two times that may not have happened.
func earlier(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

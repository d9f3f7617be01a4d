package relay

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/route"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Copies of requests that go elsewhere, too. The copy of a request is sent when
// all of it is here, in a goroutine of its own, and never holds the exchange up:
// what is too large, or too much at once, is not mirrored.

// MirrorStats count the copies of a listener's requests.
type MirrorStats struct {
	Sent      upstream.Counter
	Dropped   upstream.Counter // too large, too many at once, or not read to their end
	Failed    upstream.Counter // no answer came, or not all of it
	Same      upstream.Counter // of the answers that were compared
	Different upstream.Counter
}

// All are the numbers, always in the same order.
func (s *MirrorStats) All() []upstream.Stat {
	return []upstream.Stat{
		{Name: "mirror.sent", Value: s.Sent.Load()}, {Name: "mirror.dropped", Value: s.Dropped.Load()}, {Name: "mirror.failed", Value: s.Failed.Load()},
		{Name: "mirror.same", Value: s.Same.Load()}, {Name: "mirror.different", Value: s.Different.Load()},
	}
}

// mirrors are the copies under way of an engine.
type mirrors struct {
	ctx     context.Context
	end     context.CancelFunc
	telling event.Emitter // differences go there

	mu     sync.Mutex // guards closed, and that none begins after it
	closed bool
	all    sync.WaitGroup
	second int64 // in which told were told
	told   int
}

func (m *mirrors) init(out event.Emitter) {
	m.ctx, m.end = context.WithCancel(context.Background())
	m.telling = out
}

// begin runs f in a goroutine, unless the engine has ended.
func (m *mirrors) begin(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.all.Go(f)
	return true
}

func (m *mirrors) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.end()
	m.all.Wait()
}

// mostTold is how many differences are told in a second; all are counted.
const mostTold = 10

func (m *mirrors) tell(n *event.Notice) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := n.Time / int64(time.Second); s != m.second {
		m.second, m.told = s, 0
	}
	if m.told++; m.told <= mostTold {
		m.telling.Notice(n)
	}
}

// shadows are the copies of one request.
type shadows struct {
	list []*shadow
	hash *xxhash.Digest // of the answer's body; nil where none compares it
}

// mirror makes the copies of the request that is about to be sent, of which the
// first part of the body is here.
func (e *exchange) mirror() {
	for _, m := range e.route.Mirrors {
		if e.tunnels() || !m.Takes(e.req) {
			continue
		}
		if m.Active.Add(1) > m.Most {
			m.Active.Add(-1)
			e.g.o.Mirror.Dropped.Add(1)
			continue
		}
		s := newShadow(e, m)
		if e.shadows.list = append(e.shadows.list, s); m.Payload && e.shadows.hash == nil {
			e.shadows.hash = xxhash.New()
		}
		s.keep(e.first)
	}
	if e.whole {
		e.castShadows()
	}
}

// castShadows sends the copies of a request that is here to its end.
func (e *exchange) castShadows() {
	for _, s := range e.shadows.list {
		s.cast()
	}
}

// shadowed keeps a piece of the request's body for the copies.
func (e *exchange) shadowed(b []byte) {
	for _, s := range e.shadows.list {
		s.keep(b)
	}
}

// shadowAnswer notes what copies compare of the head of the host's answer.
func (e *exchange) shadowAnswer() {
	for _, s := range e.shadows.list {
		s.main.head(s.m, &e.resp)
	}
}

// endShadows tells the copies what became of the exchange.
func (e *exchange) endShadows() {
	for _, s := range e.shadows.list {
		s.main.ok = e.done && !e.local && !e.opened
		s.main.took = time.Duration(e.a.X.End - e.a.X.Start)
		if e.shadows.hash != nil {
			s.main.hash = e.shadows.hash.Sum64()
		}
		s.main.bytes = e.got
		s.exchangeOver(e.x.TraceID, e.x.SpanID)
	}
	clear(e.shadows.list)
	e.shadows.list, e.shadows.hash = e.shadows.list[:0], nil
}

// result is what is compared of an answer.
type result struct {
	ok     bool // all of it has come
	status int
	fields [][]byte // values of Mirror.Headers
	hash   uint64
	bytes  int64
	took   time.Duration
}

func (r *result) head(m *route.Mirror, h *Head) {
	r.status, r.fields = h.Status, make([][]byte, len(m.Headers))
	r.add(m, h.Fields)
}

// add takes the values of fields, or of trailers, that there were none of.
func (r *result) add(m *route.Mirror, fields []http1.Field) {
	for i := range r.fields {
		if r.fields[i] == nil {
			r.fields[i] = bytes.Clone(valueOf(fields, m.Headers[i]))
		}
	}
}

func valueOf(fields []http1.Field, name string) []byte {
	for i := range fields {
		if f := &fields[i]; equalFold(f.Name, name) {
			return f.Value
		}
	}
	return nil
}

package tap

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pitot-io/pitot/internal/event"
)

// Inline is a connection that a proxy forwards, between its client and itself.
type Inline struct {
	ID             int64
	Listener       string
	Client, Server netip.AddrPort
}

// Passed counts what was shown of a connection, by direction.
type Passed [2]atomic.Int64

// Clone is another that goes on from the same counts.
func (p *Passed) Clone() *Passed {
	q := new(Passed)
	for d := range p {
		q[d].Store(p[d].Load())
	}
	return q
}

// Plain shows the bytes of proxied connections to whoever asks for them. While
// nobody does, that costs the load that On is.
type Plain struct {
	active  atomic.Int32
	mu      sync.RWMutex // guards readers
	readers []*PlainReader
}

const (
	plainQueue = 4096     // pieces that wait for one reader
	plainBytes = 16 << 20 // of them
)

// PlainReader is one who asked. What does not fit in its queue is dropped and
// counted: no connection waits for it.
type PlainReader struct {
	plain   *Plain
	match   func(*Inline) bool
	ch      chan plainPiece
	queued  atomic.Int64 // bytes
	dropped atomic.Uint64
}

// plainPiece is something that happened on a connection.
type plainPiece struct {
	conn  Inline
	what  plainWhat
	dir   event.Dir
	at    int64
	place int64 // of b among the bytes of its direction, as far as they were shown
	b     []byte
}

type plainWhat uint8

const (
	plainBytesPassed plainWhat = iota
	plainOpened
	plainEnded  // one direction
	plainClosed // both
	plainReset
)

// On reports whether anybody listens.
func (p *Plain) On() bool { return p.active.Load() != 0 }

// Listen begins to collect what happens on the connections that match takes;
// it is called by many goroutines.
func (p *Plain) Listen(match func(*Inline) bool) *PlainReader {
	r := &PlainReader{plain: p, match: match, ch: make(chan plainPiece, plainQueue)}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readers = append(p.readers, r)
	p.active.Add(1)
	return r
}

// Close ends the collecting.
func (r *PlainReader) Close() {
	p := r.plain
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.readers, r); i >= 0 {
		p.readers = slices.Delete(p.readers, i, i+1)
		p.active.Add(-1)
	}
}

// Dropped is how many bytes this reader was too slow for.
func (r *PlainReader) Dropped() uint64 { return r.dropped.Load() }

// Opened, Ended and Closed tell of a connection's beginning, of the end of one
// direction, and of its end, by a reset where it is one. Passed shows bytes, in
// order within their direction. They are to be called while On.
func (p *Plain) Opened(c Inline, at int64) { p.offer(&plainPiece{conn: c, what: plainOpened, at: at}) }

func (p *Plain) Ended(c Inline, d event.Dir, at int64) {
	p.offer(&plainPiece{conn: c, what: plainEnded, dir: d, at: at})
}

func (p *Plain) Closed(c Inline, at int64, reset bool) {
	what := plainClosed
	if reset {
		what = plainReset
	}
	p.offer(&plainPiece{conn: c, what: what, at: at})
}

func (p *Plain) Passed(c Inline, n *Passed, d event.Dir, at int64, b []byte) {
	if len(b) == 0 {
		return
	}
	place := n[d].Add(int64(len(b))) - int64(len(b))
	p.offer(&plainPiece{conn: c, dir: d, at: at, place: place, b: b})
}

// offer gives x to every reader that wants it. All of them share one copy.
func (p *Plain) offer(x *plainPiece) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	copied := false
	for _, r := range p.readers {
		if !r.match(&x.conn) {
			continue
		}
		if !copied {
			x.b, copied = slices.Clone(x.b), true
		}
		r.take(x)
	}
}

func (r *PlainReader) take(x *plainPiece) {
	n := int64(len(x.b))
	if r.queued.Add(n) <= plainBytes {
		select {
		case r.ch <- *x:
			return
		default:
		}
	}
	r.queued.Add(-n)
	r.dropped.Add(uint64(n))
}

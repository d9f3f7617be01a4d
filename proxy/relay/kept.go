package relay

import (
	"sync"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
)

// kept is a request's body on its way to one try after another: its beginning
// is kept, so that each gets all of it. A body that is longer than the limit is
// spilled: what comes after its beginning goes to one try alone, piece by piece
// as that takes it, and there is no other after that.
type kept struct {
	limit int
	takes func() // what takes the body in, bound once
	own   []byte // memory of buf
	first []byte // what came along with the head, where more is to come

	mu       sync.Mutex
	changed  sync.Cond
	buf      []byte
	ours     bool   // its memory is
	piece    []byte // that is not kept; the client's codec lends it until it is taken
	spilled  bool
	ended    bool
	broken   bool // no end will come
	given    bool // nobody takes any more
	trailers []http1.Field
}

func (k *kept) init(takes func()) {
	k.takes = takes
	k.changed.L = &k.mu
}

// mostKept bounds the memory that is kept for the next request, in bytes.
const mostKept = 64 << 10

// reset forgets the body. Nobody gives or takes any more.
func (k *kept) reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ours && cap(k.buf) <= mostKept {
		k.own = k.buf[:0]
	}
	k.buf, k.piece, k.trailers, k.ours = nil, nil, nil, false
	k.spilled, k.ended, k.broken, k.given = false, false, false, false
}

// add takes the next piece in. It waits while that cannot be kept and is not
// taken either; it reports false when nobody takes it.
func (k *kept) add(b []byte) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer k.changed.Broadcast()
	if len(k.buf)+len(b) <= k.limit && !k.spilled {
		k.buf = append(k.buf, b...)
		return !k.given
	}
	k.piece = b
	k.changed.Broadcast()
	for len(k.piece) > 0 && !k.given {
		k.changed.Wait()
	}
	k.piece = nil
	return !k.given
}

// end says that the body is whole.
func (k *kept) end(trailers []http1.Field) {
	k.mu.Lock()
	k.ended, k.trailers = true, trailers
	k.mu.Unlock()
	k.changed.Broadcast()
}

// fail says that no end will come.
func (k *kept) fail() {
	k.mu.Lock()
	k.broken = true
	k.mu.Unlock()
	k.changed.Broadcast()
}

// giveUp has nobody wait, and nothing more be taken in.
func (k *kept) giveUp() {
	k.mu.Lock()
	k.given = true
	k.mu.Unlock()
	k.changed.Broadcast()
}

// replayable reports whether another try can have all of the body.
func (k *kept) replayable() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.spilled && !k.broken
}

// whole is the body, where all of it is here and kept.
func (k *kept) whole() (body []byte, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.buf, k.ended && !k.spilled
}

// reading is a try's place in a kept body.
type reading struct {
	*kept
	at    int
	loose bool // what was lent last was not kept
	stop  bool // guarded by mu
}

// next lends what comes next: nothing at the end. idle is called before it waits.
// It reports false when nothing comes any more.
func (r *reading) next(idle func() bool) (b []byte, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loose {
		r.loose, r.piece = false, nil
		r.changed.Broadcast()
	}
	for {
		switch {
		case r.stop, r.broken:
			return nil, false
		case r.at < len(r.buf):
			b = r.buf[r.at:len(r.buf):len(r.buf)]
			r.at = len(r.buf)
			return b, true
		case len(r.piece) > 0:
			r.loose, r.spilled = true, true
			return r.piece, true
		case r.ended:
			return nil, true
		}
		if idle != nil {
			r.mu.Unlock()
			ok := idle()
			r.mu.Lock()
			if idle = nil; !ok {
				return nil, false
			}
			continue
		}
		r.changed.Wait()
	}
}

// halt has the try take no more. A piece that it has not passed on is lost.
func (r *reading) halt() {
	r.mu.Lock()
	r.stop = true
	r.mu.Unlock()
	r.changed.Broadcast()
}

// keep begins to keep the request's body. What is not here yet is taken in
// beside the exchange.
func (p *persistence) keep(limit int) {
	e, k := p.e, &p.body
	k.limit = limit
	if e.whole {
		k.buf, k.ended, k.spilled = e.first, true, len(e.first) > limit
		k.trailers = e.trailers(e.c, true)
		return
	}
	k.buf, k.ours = k.own, true
	k.first = append(k.first[:0], e.first...) // the codec takes it back
	e.over.Store(false)
	e.begun = true
	e.pumps.Add(1)
	go k.takes()
}

// takeBody reads the request's body to its end. It is the only one to read from
// the client until it returns.
func (e *exchange) takeBody(k *kept) {
	limit := e.bodyLimit()
	if len(k.first) > 0 && !k.add(k.first) {
		return
	}
	for {
		b, err := e.next()
		switch {
		case err != nil:
			k.fail()
			e.breakOff(e.requestFault(err))
			return
		case limit > 0 && e.asked > limit:
			k.fail()
			e.breakOff(hop.BodyTooLarge)
			return
		case b == nil:
			e.uploaded()
			trailers := e.trailers(e.c, true)
			e.layer.trailers(event.ToServer, trailers)
			k.end(trailers)
			e.anew.Wake()
			return
		}
		if n, end := e.c.Ready(); n == 0 && end {
			e.uploaded()
		}
		e.moved.Store(e.g.watch.Clock())
		if !k.add(b) {
			return
		}
	}
}

// stopKeeping is stopUpload for a body that is kept: r is the place of the try
// whose answer the client has got, nil when there is none.
func (e *exchange) stopKeeping(k *kept, r *sending) {
	if r != nil && !r.over.Load() {
		if e.read.Load() && e.done {
			defer later(lastWrite, func() { e.cancel(Cancelled); r.halt() })()
		} else {
			e.cancel(NotNeeded)
			r.halt()
		}
	}
	if e.begun && !e.over.Load() && !(e.read.Load() && e.done) {
		e.c.Interrupt(false)
		k.giveUp()
	}
	if r != nil {
		r.done.Wait()
	}
	k.giveUp()
	e.pumps.Wait()
}

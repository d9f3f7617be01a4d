package mongo

import (
	"sync"
	"time"
)

// Bounds of places.
const (
	mostPlaces = 16384            // of a kind, of a listener; the one that was not used for longest makes room
	placeFor   = 30 * time.Minute // without use: what servers keep a session for; cursors end sooner
)

// places remember at which server something of a client's is: a cursor, or a
// transaction. All connections of a listener share them, as drivers send what
// belongs together over any of theirs.
type places struct {
	mu   sync.Mutex
	all  map[uint64]*place
	ring place // head of the list: next is the newest, prev the oldest
}

type place struct {
	key        uint64
	host       string
	until      int64 // ns since the Unix epoch
	prev, next *place
}

// keep remembers a place.
func (p *places) keep(key uint64, host string, now int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = map[uint64]*place{}
		p.ring.prev, p.ring.next = &p.ring, &p.ring
	}
	e := p.all[key]
	switch {
	case e != nil:
		e.unlink()
	case len(p.all) >= mostPlaces:
		e = p.ring.prev
		p.drop(e)
	default:
		e = new(place)
	}
	e.key, e.host = key, host
	p.all[key] = e
	p.front(e, now)
	for old := p.ring.prev; old != e && old.until < now; old = p.ring.prev {
		p.drop(old)
	}
}

// find is the place of a key, which is used by that; empty for none.
func (p *places) find(key uint64, now int64) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.all[key]
	switch {
	case e == nil:
		return ""
	case e.until < now:
		p.drop(e)
		return ""
	}
	e.unlink()
	p.front(e, now)
	return e.host
}

func (p *places) forget(key uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.all[key]; e != nil {
		p.drop(e)
	}
}

func (p *places) front(e *place, now int64) {
	e.until = now + int64(placeFor)
	e.prev, e.next = &p.ring, p.ring.next
	e.prev.next, e.next.prev = e, e
}

func (p *places) drop(e *place) {
	e.unlink()
	delete(p.all, e.key)
}

func (e *place) unlink() { e.prev.next, e.next.prev = e.next, e.prev }

package relay

import (
	"sync"
	"time"

	"github.com/pitot-io/pitot/proxy/hop"
)

// Watch looks over what is under way at every tick.
type Watch struct {
	hop.Ticker
	shards [16]shard
}

// shard is a part of what is watched, so that the locks stay uncontended.
type shard struct {
	mu    sync.Mutex
	first *Watched
}

// Watched is one thing under way.
type Watched struct {
	// Look is called at every tick, with now in ns since the Unix epoch; one
	// call at a time, and none after Remove has returned. It does not block and
	// neither adds nor removes.
	Look func(now int64)

	shard      *shard
	prev, next *Watched
}

// Init begins with the ticks of timeouts (hop.Ticker).
func (w *Watch) Init(timeouts ...time.Duration) {
	w.Ticker.Init(func(now int64) { w.Each(func(x *Watched) { x.Look(now) }) }, timeouts...)
}

// Add has x looked at. key spreads what is watched.
func (w *Watch) Add(x *Watched, key int64) {
	s := &w.shards[uint64(key)%uint64(len(w.shards))]
	s.mu.Lock()
	x.shard, x.prev, x.next = s, nil, s.first
	if s.first != nil {
		s.first.prev = x
	}
	s.first = x
	s.mu.Unlock()
}

// Remove ends it.
func (w *Watch) Remove(x *Watched) {
	s := x.shard
	s.mu.Lock()
	if x.prev != nil {
		x.prev.next = x.next
	} else {
		s.first = x.next
	}
	if x.next != nil {
		x.next.prev = x.prev
	}
	x.shard, x.prev, x.next = nil, nil, nil
	s.mu.Unlock()
}

// Each calls f for everything watched, as Look is called.
func (w *Watch) Each(f func(*Watched)) {
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		for x := s.first; x != nil; x = x.next {
			f(x)
		}
		s.mu.Unlock()
	}
}

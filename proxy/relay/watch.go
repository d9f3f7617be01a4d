package relay

import (
	"sync"
	"sync/atomic"
	"time"
)

// Watch looks over what is under way every now and then, so that timeouts need
// no timer each: they are late by at most a tick. It has a goroutine of its own
// while it has users.
type Watch struct {
	shards [16]shard
	clock  atomic.Int64 // of the last look, ns since the Unix epoch
	tick   time.Duration

	mu    sync.Mutex // guards what follows
	users int
	stop  chan struct{}
	done  chan struct{}
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

// Init sets the tick to a quarter of the shortest of timeouts that is
// positive, within 5 and 250 ms.
func (w *Watch) Init(timeouts ...time.Duration) {
	w.tick = time.Second
	for _, d := range timeouts {
		if d > 0 {
			w.tick = min(w.tick, d)
		}
	}
	w.tick = max(w.tick/4, 5*time.Millisecond)
}

// Tick is the time between two looks.
func (w *Watch) Tick() time.Duration { return w.tick }

// Clock is the time of the last look, for what need not be exact.
func (w *Watch) Clock() int64 { return w.clock.Load() }

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

// Join says that there is one more user, a connection mostly; the first starts
// the watch.
func (w *Watch) Join() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.users++; w.users == 1 {
		w.stop, w.done = make(chan struct{}), make(chan struct{})
		w.clock.Store(time.Now().UnixNano())
		go w.run(w.stop, w.done)
	}
}

// Leave is Join's counterpart; the last one waits for the watch's end.
func (w *Watch) Leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.users--; w.users == 0 {
		close(w.stop)
		<-w.done
	}
}

func (w *Watch) run(stop, done chan struct{}) {
	defer close(done)
	t := time.NewTicker(w.tick)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			w.look(time.Now().UnixNano())
		}
	}
}

func (w *Watch) look(now int64) {
	w.clock.Store(now)
	w.Each(func(x *Watched) { x.Look(now) })
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

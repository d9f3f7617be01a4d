package tap

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pitot-io/pitot/internal/event"
)

// Subscription is one consumer's bounded queue of batches.
type Subscription struct {
	Name string

	hub     *Hub
	ch      chan *event.Batch
	wait    bool
	done    chan struct{}
	once    sync.Once
	dropped atomic.Uint64
	taken   atomic.Uint64
}

// Subscribe opens a queue of that many batches. With wait, publishing waits
// for the consumer: that is for replays. Without, a full queue drops the batch
// and counts its exchanges: nothing live ever waits for an observer.
func (h *Hub) Subscribe(name string, batches int, wait bool) *Subscription {
	s := &Subscription{Name: name, hub: h, ch: make(chan *event.Batch, max(1, batches)), wait: wait, done: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(s.ch)
		return s
	}
	h.subs = append(h.subs, s)
	h.active.Add(1)
	return s
}

// C gives the batches; it is closed when the hub is.
func (s *Subscription) C() <-chan *event.Batch { return s.ch }

// Taken and Dropped count exchanges that entered the queue and that did not.
func (s *Subscription) Taken() uint64   { return s.taken.Load() }
func (s *Subscription) Dropped() uint64 { return s.dropped.Load() }

// Close leaves the hub. Batches that are still queued stay readable.
func (s *Subscription) Close() {
	s.once.Do(func() {
		close(s.done) // before the lock: a publisher that waits for us holds it
		s.hub.mu.Lock()
		defer s.hub.mu.Unlock()
		if i := slices.Index(s.hub.subs, s); i >= 0 {
			s.hub.subs = slices.Delete(s.hub.subs, i, i+1)
			s.hub.active.Add(-1)
		}
	})
}

func (s *Subscription) offer(b *event.Batch) {
	n := uint64(len(b.Exchanges))
	if s.wait {
		select {
		case s.ch <- b:
			s.taken.Add(n)
		case <-s.done:
		}
		return
	}
	select {
	case s.ch <- b:
		s.taken.Add(n)
	default:
		s.dropped.Add(n)
	}
}

// Subscriptions lists who is subscribed now.
func (h *Hub) Subscriptions() []*Subscription {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Clone(h.subs)
}

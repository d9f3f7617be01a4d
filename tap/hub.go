// Package tap brings bytes to decoders and what they find to subscribers. Bytes
// come from capture files, or from connections that a proxy forwards.
package tap

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// FlushEvery bounds how long an exchange waits in a batch before subscribers
// see it.
const FlushEvery = 50 * time.Millisecond

// Hub hands what is found to every subscriber. Publishers collect exchanges in
// batches, so that a channel is touched once for up to event.BatchCap of them;
// when nobody subscribes, publishing costs one atomic load.
type Hub struct {
	// Plain shows the bytes of proxied connections.
	Plain Plain

	active atomic.Int32
	shards []Publisher

	mu     sync.RWMutex // guards subs and closed; taken once a batch
	subs   []*Subscription
	closed bool
}

// NewHub makes a hub whose publishers share n shards. One shard keeps the
// order of everything; several keep live connections out of each other's way.
func NewHub(n int) *Hub {
	h := &Hub{shards: make([]Publisher, max(1, n))}
	for i := range h.shards {
		h.shards[i].hub = h
	}
	return h
}

// Publisher is an Emitter into the hub. It may be shared by connections: its
// lock is held for the length of one copy, and is free but for other
// connections of the same shard.
type Publisher struct {
	hub   *Hub
	mu    sync.Mutex
	batch *event.Batch
	seen  uint64
}

// Publisher is the emitter for connection number key.
func (h *Hub) Publisher(key int64) *Publisher {
	return &h.shards[uint64(key)%uint64(len(h.shards))]
}

// Exchange publishes a copy of x.
func (p *Publisher) Exchange(x *event.Exchange) {
	if p.hub.active.Load() == 0 {
		return
	}
	p.mu.Lock()
	p.seen++
	b := p.filling()
	b.Exchange(x)
	p.unlockAndHandOn(b.Full())
}

// Notice publishes a copy of n.
func (p *Publisher) Notice(n *event.Notice) {
	if p.hub.active.Load() == 0 {
		return
	}
	p.mu.Lock()
	b := p.filling()
	b.Notice(n)
	p.unlockAndHandOn(b.Full())
}

func (p *Publisher) filling() *event.Batch {
	if p.batch == nil {
		p.batch = new(event.Batch)
	}
	return p.batch
}

// unlockAndHandOn hands the batch on outside the lock: a replay's subscriber
// may keep us waiting.
func (p *Publisher) unlockAndHandOn(now bool) {
	b := p.batch
	if now {
		p.batch = nil
	}
	p.mu.Unlock()
	if now {
		p.hub.dispatch(b)
	}
}

// Flush hands on what the publishers have collected.
func (h *Hub) Flush() {
	for i := range h.shards {
		p := &h.shards[i]
		p.mu.Lock()
		p.unlockAndHandOn(p.batch != nil)
	}
}

func (h *Hub) dispatch(b *event.Batch) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.closed {
		return
	}
	for _, s := range h.subs {
		s.offer(b)
	}
}

// Run flushes every FlushEvery until ctx is done.
func (h *Hub) Run(ctx context.Context) {
	t := time.NewTicker(FlushEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			h.Flush()
		}
	}
}

// Close flushes and ends every subscription. What is published later is
// dropped: call it when the publishers have stopped.
func (h *Hub) Close() {
	h.Flush()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = true
	h.active.Store(0)
	for _, s := range h.subs {
		close(s.ch)
	}
	h.subs = nil
}

// Seen is the number of exchanges published so far.
func (h *Hub) Seen() (n uint64) {
	for i := range h.shards {
		p := &h.shards[i]
		p.mu.Lock()
		n += p.seen
		p.mu.Unlock()
	}
	return n
}

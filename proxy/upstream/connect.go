package upstream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A cluster's connections are bounded: in all, by class, and by host. Who needs
// one while as many are open as may be waits in one queue for the cluster, until
// a connection is handed back that he may use, or is closed so that he may make
// one. The first connection to a host is never refused, so that whoever waits
// for a host waits for something that comes.

// Ask says what an exchange needs of Connect.
type Ask struct {
	High  bool  // goes by the breakers of high priority
	Fresh bool  // a connection on which nothing was asked before
	Again bool  // the exchange may be tried again, should a kept connection be closed: no look is taken at one just used
	Timed bool  // ctx ends when the exchange's time is over; else the cluster's connect timeout bounds the wait
	Now   int64 // ns since the Unix epoch
}

// Connect gives a connection for an exchange that has looked for a kept one (Get)
// and found none: a new one or, where no more may be made, the next that
// is handed back (reused) or the place of the next that is closed. It fails with
// a *DialError, with ErrOverflow, or with ctx's error.
func (h *Host) Connect(ctx context.Context, a Ask) (c *Conn, reused bool, err error) {
	for first := true; ; first = false {
		if h.reserve(a.High) {
			c, err = h.dialReserved(ctx, a.High)
			return c, false, err
		}
		if first {
			h.cluster.breaker(a.High).connections.overflow.Add(1)
		}
		c, err = h.wait(ctx, a)
		switch {
		case err != nil:
			return nil, false, err
		case c == nil: // leave to make one
			c, err = h.dialReserved(ctx, a.High)
			return c, false, err
		case a.Again || c.Alive():
			return c, true, nil
		}
		h.stats.cxRemoteIdle.Add(1)
		_ = c.Close() // the peer has gone already
	}
}

// DialNow opens a connection to h, unless as many are open as may be:
// ErrOverflow. It is for who does not wait.
func (h *Host) DialNow(ctx context.Context, high bool) (*Conn, error) {
	if !h.reserve(high) {
		return nil, h.cluster.breaker(high).connections.refuse()
	}
	return h.dialReserved(ctx, high)
}

// Reserve counts a connection to h as open that is about to be made with
// DialReserved, or given up with Release. It reports false where no more may be.
func (h *Host) Reserve(high bool) bool { return h.reserve(high) }

// DialReserved opens a connection that Reserve has counted.
func (h *Host) DialReserved(ctx context.Context, high bool) (*Conn, error) {
	return h.dialReserved(ctx, high)
}

// Release ends the counting of a connection that is not made.
func (h *Host) Release(high bool) { h.release(high) }

// BeginPending counts an exchange that waits for room until EndPending, unless
// as many wait as may: ErrOverflow.
func (h *Host) BeginPending(high bool) error {
	g := &h.cluster.breaker(high).pending
	if !g.takeExactly() {
		return g.refuse()
	}
	g.total.Add(1)
	return nil
}

// EndPending ends what BeginPending began.
func (h *Host) EndPending(high bool) { h.cluster.breaker(high).pending.give() }

// Place is one in the queue for leave to make a connection to a host. The zero
// value is none.
type Place struct{ w *waiter }

// Queue takes a place. It is left by Leave, unless something was received from
// Ready.
func (h *Host) Queue(high bool) Place {
	h.cluster.breaker(high).connections.overflow.Add(1)
	return Place{h.cluster.queue.enter(h, Ask{High: high, Fresh: true}, Source{})}
}

// Taken reports whether p is a place.
func (p Place) Taken() bool { return p.w != nil }

// Ready tells that a connection may be made, which is counted as by Reserve.
func (p Place) Ready() <-chan *Conn {
	if p.w == nil {
		return nil
	}
	return p.w.ready
}

// Leave gives the place up.
func (p Place) Leave() {
	if p.w == nil || p.w.host.cluster.queue.leave(p.w) {
		return
	}
	<-p.w.ready // it has just come
	p.w.host.release(p.w.high)
}

// reserve counts one more connection to h, where there may be one.
func (h *Host) reserve(high bool) bool {
	if h.tryReserve(high) {
		return true
	}
	if h.cluster.options.HostConnections > 0 { // what was counted for a moment may have been in somebody's way
		h.cluster.queue.room()
	}
	return false
}

func (h *Host) tryReserve(high bool) bool {
	g := &h.cluster.breaker(high).connections
	if h.conns.CompareAndSwap(0, 1) {
		g.n.Add(1) // the first always
		return true
	}
	if most := h.cluster.options.HostConnections; most > 0 {
		if !takeExactly(&h.conns, most) {
			return false
		}
	} else {
		h.conns.Add(1)
	}
	if g.takeExactly() {
		return true
	}
	h.conns.Add(-1)
	return false
}

// release ends the counting of a connection, whose place goes to who waits.
func (h *Host) release(high bool) {
	h.conns.Add(-1)
	h.cluster.breaker(high).connections.give()
	h.cluster.queue.room()
}

// wait waits for a connection, or (nil) for leave to make one.
func (h *Host) wait(ctx context.Context, a Ask) (*Conn, error) {
	if err := h.BeginPending(a.High); err != nil {
		return nil, err
	}
	defer h.EndPending(a.High)
	limited := ctx
	if !a.Timed {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, h.limit)
		defer cancel()
	}
	w := h.cluster.queue.enter(h, a, h.sourceFor(ctx))
	select {
	case c := <-w.ready:
		return c, nil
	case <-limited.Done():
	}
	if !h.cluster.queue.leave(w) { // served just now
		if c := <-w.ready; c != nil {
			h.keep(c)
		} else {
			h.release(a.High)
		}
	}
	if ctx.Err() == nil {
		return nil, h.WaitedInVain(a.High)
	}
	return nil, fmt.Errorf("cluster %q: waiting for a connection to %s: %w", h.cluster.name, h.address, ctx.Err())
}

// WaitedInVain is the error of who has waited for room for as long as a dial may
// take: ErrOverflow.
func (h *Host) WaitedInVain(high bool) error {
	g := &h.cluster.breaker(high).pending
	_ = g.refuse() // for the count
	return fmt.Errorf("%w; no room came about at %s within %v", g.err, h.address, h.limit)
}

// ConnectTimeout bounds a dial.
func (h *Host) ConnectTimeout() time.Duration { return h.limit }

func (h *Host) sourceFor(ctx context.Context) Source {
	if h.PerClient() {
		return sourceOf(ctx)
	}
	return Source{}
}

// queue is who waits for connections of a cluster, in order.
type queue struct {
	_ [64]byte
	n atomic.Int32 // of them; 0 nearly always, and read by everybody
	_ [60]byte

	mu          sync.Mutex // guards what follows; taken before those of pools
	first, last *waiter
}

// waiter waits for a connection.
type waiter struct {
	host   *Host
	source Source
	high   bool
	reuse  bool
	ready  chan *Conn // nil is leave to make one

	queued     bool
	prev, next *waiter
}

// enter puts somebody at the end, and serves him at once where that can be. For
// want of room an idle connection is closed that is of no use to him.
func (q *queue) enter(h *Host, a Ask, s Source) *waiter {
	w := &waiter{host: h, source: s, high: a.High, reuse: !a.Fresh, ready: make(chan *Conn, 1), queued: true}
	if q.push(w) {
		return w
	}
	if c := h.spare(a.High); c != nil {
		_ = c.Close() // its place goes to the first who may have it
	}
	return w
}

// push reports whether w was served at once.
func (q *queue) push(w *waiter) (served bool) {
	q.n.Add(1) // from here on nobody keeps a connection without a look at the queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.prev = q.last; w.prev != nil {
		w.prev.next = w
	} else {
		q.first = w
	}
	q.last = w
	var c *Conn
	if w.reuse {
		c = w.host.pool.pop(w.source)
	}
	if c == nil && !w.host.tryReserve(w.high) {
		return false
	}
	q.serve(w, c)
	return true
}

// serve gives c, or leave, to w. The caller has the lock.
func (q *queue) serve(w *waiter, c *Conn) {
	q.remove(w)
	w.ready <- c
}

func (q *queue) remove(w *waiter) {
	w.queued = false
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		q.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		q.last = w.prev
	}
	w.prev, w.next = nil, nil
	q.n.Add(-1)
}

// leave takes w out; false when it was served.
func (q *queue) leave(w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !w.queued {
		return false
	}
	q.remove(w)
	return true
}

// kept gives the idle connection of a host that was just kept to the first who
// can use it. Where nobody can, but somebody waits for that host, it is closed.
func (q *queue) kept(h *Host, s Source) {
	if c := q.hand(h, s); c != nil {
		_ = c.Close() // its place is of use
	}
}

func (q *queue) hand(h *Host, s Source) (needless *Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	wanted := false
	for w := q.first; w != nil; w = w.next {
		if w.host != h {
			continue
		}
		wanted = true
		if !w.reuse || w.source != s {
			continue
		}
		if c := h.pool.pop(s); c != nil {
			q.serve(w, c)
		}
		return nil
	}
	if wanted {
		return h.pool.pop(s)
	}
	return nil
}

// room gives leave to make a connection to the first who may.
func (q *queue) room() {
	if q.n.Load() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for w := q.first; w != nil; w = w.next {
		if w.host.tryReserve(w.high) {
			q.serve(w, nil)
			return
		}
	}
}

// spareLook is at how many other hosts an idle connection is looked for.
const spareLook = 64

// spare is an idle connection that holds the place of one that h needs; nil when
// there is none.
func (h *Host) spare(high bool) *Conn {
	if c := h.pool.oldest(); c != nil {
		return c
	}
	if !h.cluster.breaker(high).connections.full() {
		return nil // it is h's own limit
	}
	all := h.cluster.Hosts()
	for i, from := 0, rand.IntN(max(1, len(all))); i < min(len(all), spareLook); i++ {
		if c := all[(from+i)%len(all)].pool.oldest(); c != nil {
			return c
		}
	}
	return nil
}

// oldest takes the connection that has been idle for longest; nil when there is
// none.
func (p *pool) oldest() *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	c := p.idle[0]
	p.idle = slices.Delete(p.idle, 0, 1)
	return c
}

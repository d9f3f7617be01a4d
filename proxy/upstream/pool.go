package upstream

import (
	"slices"
	"sync"
	"time"
)

// pool holds a host's connections: a list of all that are open, and a stack of
// those that are idle. The one used last is taken first, so that few stay warm
// and the rest run into their idle timeout.
type pool struct {
	max     int
	timeout time.Duration
	uses    int

	mu     sync.Mutex // held for a few instructions; one per host
	idle   []*Conn    // by time of return
	open   *Conn      // list of all
	closed bool

	retired bool        // a new configuration has another host in this one's place
	sweep   *time.Timer // runs while something is idle
	armed   bool
}

func (p *pool) init(o Options) { p.max, p.timeout, p.uses = o.MaxIdle, o.IdleTimeout, o.MaxUses }

// enter adds c to the open connections; it reports false when the pool is closed.
func (p *pool) enter(c *Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	if c.next = p.open; c.next != nil {
		c.next.prev = c
	}
	p.open = c
	return true
}

func (p *pool) leave(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.prev != nil {
		c.prev.next = c.next
	} else if p.open == c {
		p.open = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil
}

// pop takes the idle connection of a source that was used last: the very last
// one, where connections have no source.
func (p *pool) pop(s Source) *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.idle) - 1; i >= 0; i-- {
		if c := p.idle[i]; c.source == s {
			p.idle = slices.Delete(p.idle, i, i+1)
			return c
		}
	}
	return nil
}

// unused reports whether no connection is open.
func (p *pool) unused() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open == nil
}

func (p *pool) push(c *Conn, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= p.max {
		return false
	}
	c.idle = now
	p.idle = append(p.idle, c)
	if !p.armed {
		p.arm(p.timeout)
	}
	return true
}

func (p *pool) arm(d time.Duration) {
	p.armed = true
	if p.sweep == nil {
		p.sweep = time.AfterFunc(d, p.expire)
		return
	}
	p.sweep.Reset(d)
}

// expire closes what has been idle for too long, and comes back when the
// oldest of the rest will have been.
func (p *pool) expire() {
	for _, c := range p.expired(time.Now()) {
		c.host.stats.cxIdleTimeout.Add(1)
		_ = c.Close() // nobody is left to tell
	}
}

func (p *pool) expired(now time.Time) []*Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = false
	n := 0
	for n < len(p.idle) && now.Sub(p.idle[n].idle) >= p.timeout {
		n++
	}
	old := append([]*Conn(nil), p.idle[:n]...)
	rest := copy(p.idle, p.idle[n:])
	clear(p.idle[rest:])
	p.idle = p.idle[:rest]
	if rest > 0 && !p.closed {
		p.arm(p.timeout - now.Sub(p.idle[0].idle))
	}
	return old
}

// trustFor is how long a connection that was put back in order is taken for
// good without a look. What a look would find after so short a time could as
// well come right after the look.
const trustFor = time.Millisecond

// Get takes an idle connection that is still good, nil when there is none. It
// never gives one that is PerClient; GetFor does.
func (h *Host) Get() *Conn { return h.take(0, Source{}) }

// GetAgain is Get for an exchange that may be tried again on another
// connection, should this one turn out to be closed. now is the time, in ns
// since the Unix epoch: while a host is busy, no system call is spent on a look.
func (h *Host) GetAgain(now int64) *Conn { return h.take(now, Source{}) }

func (h *Host) take(now int64, s Source) *Conn {
	for {
		c := h.pool.pop(s)
		if c == nil || c.trusted(now) || c.Alive() {
			return c
		}
		h.stats.cxRemoteIdle.Add(1)
		_ = c.Close() // the peer has gone already
	}
}

// Put hands back a connection on which an exchange has ended in order. It is
// closed when the pool is full or the connection has served enough.
func (h *Host) Put(c *Conn) {
	c.Used++
	if h.pool.uses > 0 && c.Used >= h.pool.uses {
		_ = c.Close() // its exchange has ended well
		return
	}
	h.keep(c)
}

// keep keeps an idle connection, for who waits for one before all others.
func (h *Host) keep(c *Conn) {
	source := c.source
	if !h.pool.push(c, time.Now()) {
		_ = c.Close() // its exchange has ended well
		return
	}
	if q := &h.cluster.queue; q.n.Load() > 0 {
		q.kept(h, source)
	}
}

// Idle is the number of idle connections.
func (h *Host) Idle() int {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	return len(h.pool.idle)
}

func (h *Host) close() {
	for _, c := range h.pool.shut() {
		_ = c.Close() // its user, if any, sees the error
	}
}

func (h *Host) retire() {
	idle, tell := h.pool.retire()
	for _, c := range idle {
		_ = c.Close() // nobody uses it
	}
	for _, f := range tell {
		f()
	}
}

// OnRetire has f called, from any goroutine, when the cluster is replaced: for
// who keeps the connection open for exchanges to come without handing it back.
func (c *Conn) OnRetire(f func()) {
	p := &c.host.pool
	p.mu.Lock()
	c.retire = f
	now := p.retired
	p.mu.Unlock()
	if now {
		f()
	}
}

// retire takes all idle connections, and has none kept from now on. tell is
// what those want to have called that are in use.
func (p *pool) retire() (idle []*Conn, tell []func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle = p.idle
	p.idle, p.max, p.retired = nil, -1, true
	for c := p.open; c != nil; c = c.next {
		if c.retire != nil {
			tell = append(tell, c.retire)
		}
	}
	return idle, tell
}

func (p *pool) shut() (all []*Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.idle = nil
	if p.sweep != nil {
		p.sweep.Stop()
	}
	for c := p.open; c != nil; c = c.next {
		all = append(all, c)
	}
	return all
}

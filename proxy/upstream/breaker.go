package upstream

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/episode"
)

// Thresholds are how much may be under way at a cluster at once, of the
// exchanges of one class. 0 stands for the default, less for nothing at all.
type Thresholds struct {
	Connections int64 // open or being made; the first one to a host always may be
	Pending     int64 // exchanges that wait for a connection, or for room on one
	Requests    int64 // exchanges, from the pick on
	Retries     int64 // exchanges that are tried anew, where no budget says how many may be
}

// Defaults of Thresholds, which are Envoy's.
const (
	DefaultMaxConnections = 1024
	DefaultMaxPending     = 1024
	DefaultMaxRequests    = 1024
	DefaultMaxRetries     = 3
)

// The classes of exchanges, each with breakers of its own.
const (
	classDefault = iota
	classHigh
	numClasses
)

var classNames = [numClasses]string{"default", "high"}

// breaker counts what is under way of one class, and refuses what would be more
// than its thresholds. It never waits: what is refused is refused at once.
type breaker struct {
	requests, connections, pending, retries gauge
}

func (b *breaker) init(c *Cluster, class int, t Thresholds) {
	name := classNames[class]
	b.requests.init(c, name, "requests", t.Requests, DefaultMaxRequests)
	b.connections.init(c, name, "connections", t.Connections, DefaultMaxConnections)
	b.pending.init(c, name, "pending_requests", t.Pending, DefaultMaxPending)
	b.retries.init(c, name, "retries", t.Retries, DefaultMaxRetries)
}

func (b *breaker) all() [4]*gauge {
	return [...]*gauge{&b.requests, &b.connections, &b.pending, &b.retries}
}

func (c *Cluster) breaker(high bool) *breaker {
	if high {
		return &c.breakers[classHigh]
	}
	return &c.breakers[classDefault]
}

// gauge is how much is under way, and how much may be.
type gauge struct {
	_   [64]byte // a cache line of its own: every exchange writes here
	n   atomic.Int64
	_   [56]byte
	max int64
	now func() int64 // what it is in the place of max; nil for max

	total    Counter // that it let in; only of what is rare
	overflow Counter // that it refused
	err      error
	open     episode.Episode // of refusals
}

func (g *gauge) init(c *Cluster, class, what string, most, standard int64) {
	g.max = max(0, cmp.Or(most, standard))
	g.err = fmt.Errorf("cluster %q: %w: max_%s of priority %s is %d", c.name, ErrOverflow, what, class, g.max)
	tell := func(now time.Time, s event.Severity, phase, body string, more ...event.KeyValue) {
		c.Tell(nil, &event.Notice{Time: now.UnixNano(), Name: event.EventBreaker, Severity: s, Body: body, Attributes: append([]event.KeyValue{
			{Key: event.AttrPhase, Value: phase}, {Key: event.AttrBreaker, Value: "max_" + what}, {Key: event.AttrBreakerClass, Value: class},
			{Key: event.AttrBreakerLimit, Value: strconv.FormatInt(g.max, 10)},
		}, more...)})
	}
	g.open.Begin = func(now time.Time) {
		tell(now, event.Warn, event.PhaseBegin, fmt.Sprintf("cluster %q has %d %s of priority %s, and gets no more", c.name, g.n.Load(), words[what], class))
	}
	g.open.End = func(told episode.Told) {
		tell(time.Now(), event.Info, event.PhaseEnd, fmt.Sprintf("cluster %q gets %s of priority %s again, after %d were refused", c.name, words[what], class, told.Count),
			event.KeyValue{Key: event.AttrRefused, Value: strconv.FormatUint(told.Count, 10)})
	}
}

var words = map[string]string{
	"requests": "requests under way", "connections": "connections", "pending_requests": "requests that wait for a connection", "retries": "retries under way",
}

// take counts one more, where there may be one.
func (g *gauge) take() bool {
	if g.n.Load() < g.max {
		if g.n.Add(1) <= g.max {
			return true
		}
		g.n.Add(-1)
	}
	return false
}

// takeExactly is take, but never counts what it refuses, not for a moment.
func (g *gauge) takeExactly() bool { return takeExactly(&g.n, g.most()) }

func takeExactly(n *atomic.Int64, most int64) bool {
	for {
		now := n.Load()
		if now >= most {
			return false
		}
		if n.CompareAndSwap(now, now+1) {
			return true
		}
	}
}

func (g *gauge) give() { g.n.Add(-1) }

// refuse notes that something was refused.
func (g *gauge) refuse() error {
	g.overflow.Add(1)
	g.open.Hit()
	return g.err
}

func (g *gauge) full() bool     { return g.n.Load() >= g.most() }
func (g *gauge) remains() int64 { return max(0, g.most()-g.n.Load()) }

// most is how much may be under way now.
func (g *gauge) most() int64 {
	if g.now != nil {
		return g.now()
	}
	return g.max
}

// Pick chooses a host for one exchange, and counts it active there and at the
// cluster's circuit breakers until w.Done. It fails with ErrNoHost or
// ErrOverflow. A source in ctx (WithSource) decides where a cluster goes that has
// no endpoints.
func (c *Cluster) Pick(ctx context.Context, w *Want) (*Host, error) {
	if w.Whole {
		return c.pick(ctx, w)
	}
	g := &c.breaker(w.High).requests
	if !g.take() {
		return nil, g.refuse()
	}
	h, err := c.pick(ctx, w)
	if err != nil {
		g.give()
	}
	return h, err
}

// PickOther moves an exchange from a host where it is active to another one,
// and has that one avoided from now on. Where there is no other, it stays.
func (c *Cluster) PickOther(ctx context.Context, w *Want, from *Host) (*Host, error) {
	w.Avoid(from)
	h, err := c.pick(ctx, w)
	if err == nil {
		from.end()
	}
	return h, err
}

// Done ends an exchange that Pick began at h with w.
func (w *Want) Done(h *Host) {
	h.end()
	if !w.Whole {
		h.cluster.breaker(w.High).requests.give()
	}
}

// UnderWay is how many exchanges of a class are active, and how many of them
// wait for a connection.
func (c *Cluster) UnderWay(high bool) (requests, pending int64) {
	b := c.breaker(high)
	return b.requests.n.Load(), b.pending.n.Load()
}

// breakerStats are the numbers of the breakers, always in the same order.
func (c *Cluster) breakerStats() []Stat {
	sum := func(of func(*breaker) uint64) (n uint64) {
		for i := range c.breakers {
			n += of(&c.breakers[i])
		}
		return n
	}
	all := []Stat{
		{"upstream_cx_overflow", sum(func(b *breaker) uint64 { return b.connections.overflow.Load() }), false},
		{"upstream_rq_pending_total", sum(func(b *breaker) uint64 { return b.pending.total.Load() }), false},
		{"upstream_rq_pending_active", sum(func(b *breaker) uint64 { return uint64(b.pending.n.Load()) }), true},
		{"upstream_rq_pending_overflow", sum(func(b *breaker) uint64 { return b.pending.overflow.Load() + b.requests.overflow.Load() }), false},
		{"upstream_rq_retry_overflow", sum(func(b *breaker) uint64 { return b.retries.overflow.Load() }), false},
	}
	for class := range c.breakers {
		b, prefix := &c.breakers[class], "circuit_breakers."+classNames[class]+"."
		for i, name := range [...]string{"rq", "cx", "rq_pending", "rq_retry"} {
			open := uint64(0)
			if b.all()[i].full() {
				open = 1
			}
			all = append(all, Stat{prefix + name + "_open", open, true})
		}
		for i, name := range [...]string{"rq", "cx", "pending", "retries"} {
			all = append(all, Stat{prefix + "remaining_" + name, uint64(b.all()[i].remains()), true})
		}
	}
	return all
}

func (c *Cluster) closeBreakers() {
	for i := range c.breakers {
		for _, g := range c.breakers[i].all() {
			g.open.Close()
		}
	}
}

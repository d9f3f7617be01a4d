package upstream

import (
	"fmt"
	"strconv"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/episode"
)

// Budget bounds how many retries may be under way at a cluster by how much else
// is, so that one that cannot keep up gets no more load from retries than that.
// It stands in the place of the breaker of retries.
type Budget struct {
	Percent int // of the exchanges under way, of the same class
	Min     int // that may be in any case
}

// Retries count what became of exchanges that were tried anew.
type Retries struct {
	Total         Counter // upstream_rq_retry
	Success       Counter // upstream_rq_retry_success: the client got an answer that is none to retry
	LimitExceeded Counter // upstream_rq_retry_limit_exceeded
	Exponential   Counter // upstream_rq_retry_backoff_exponential
	RateLimited   Counter // upstream_rq_retry_backoff_ratelimited: the answer said how long to wait
	Abandoned     Counter // upstream_rq_retry_abandoned: the request's body was not kept
	PerTryTimeout Counter // upstream_rq_per_try_timeout
	PerTryIdle    Counter // upstream_rq_per_try_idle_timeout
	Hedged        Counter // upstream_rq_hedge: of the total, those beside a try under way
	HedgeWon      Counter // upstream_rq_hedge_won
}

// Retries are the cluster's.
func (c *Cluster) Retries() *Retries { return &c.retries }

// budget has b say how many retries may be.
func (k *breaker) budget(c *Cluster, class int, b Budget) {
	g := &k.retries
	g.now = func() int64 { return max(int64(b.Min), k.requests.n.Load()*int64(b.Percent)/100) }
	g.err = fmt.Errorf("cluster %q: %w: the budget of retries of priority %s is used up", c.name, ErrOverflow, classNames[class])
	tell := func(now time.Time, s event.Severity, phase, body string, more event.KeyValue) {
		c.Tell(nil, &event.Notice{Time: now.UnixNano(), Name: event.EventRetriesOver, Severity: s, Body: body, Attributes: []event.KeyValue{
			{Key: event.AttrPhase, Value: phase}, {Key: event.AttrBreakerClass, Value: classNames[class]},
			{Key: event.AttrBreakerLimit, Value: strconv.FormatInt(g.most(), 10)}, more,
		}})
	}
	g.open.Begin = func(now time.Time) {
		n := g.n.Load()
		tell(now, event.Warn, event.PhaseBegin, fmt.Sprintf("cluster %q has %d retries of priority %s under way, and gets no more", c.name, n, classNames[class]),
			event.KeyValue{Key: event.AttrRetries, Value: strconv.FormatInt(n, 10)})
	}
	g.open.End = func(told episode.Told) {
		tell(time.Now(), event.Info, event.PhaseEnd, fmt.Sprintf("cluster %q gets retries of priority %s again, after %d were refused", c.name, classNames[class], told.Count),
			event.KeyValue{Key: event.AttrRefused, Value: strconv.FormatUint(told.Count, 10)})
	}
}

// BeginRetry counts a retry as under way until EndRetry, unless as many are as
// the budget, or without one the breaker of retries, allows: ErrOverflow.
func (c *Cluster) BeginRetry(high bool) error {
	if g := &c.breaker(high).retries; !g.takeExactly() {
		return g.refuse()
	}
	return nil
}

// EndRetry ends what BeginRetry began.
func (c *Cluster) EndRetry(high bool) { c.breaker(high).retries.give() }

// retryStats are the numbers of retries, always in the same order.
func (c *Cluster) retryStats() []Stat {
	r, active := &c.retries, int64(0)
	for i := range c.breakers {
		active += c.breakers[i].retries.n.Load()
	}
	return []Stat{
		{"upstream_rq_retry", r.Total.Load(), false},
		{"upstream_rq_retry_active", uint64(max(0, active)), true},
		{"upstream_rq_retry_success", r.Success.Load(), false},
		{"upstream_rq_retry_limit_exceeded", r.LimitExceeded.Load(), false},
		{"upstream_rq_retry_backoff_exponential", r.Exponential.Load(), false},
		{"upstream_rq_retry_backoff_ratelimited", r.RateLimited.Load(), false},
		{"upstream_rq_retry_abandoned", r.Abandoned.Load(), false},
		{"upstream_rq_per_try_timeout", r.PerTryTimeout.Load(), false},
		{"upstream_rq_per_try_idle_timeout", r.PerTryIdle.Load(), false},
		{"upstream_rq_hedge", r.Hedged.Load(), false},
		{"upstream_rq_hedge_won", r.HedgeWon.Load(), false},
	}
}

package ratelimit

import (
	"context"
	"strconv"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/route"
)

// Guard asks the rate limits of a route about its requests: first those that
// are counted here, then those of the service, stage by stage.
type Guard struct {
	set    *Set
	local  []*Limit
	stages []stage
}

var (
	_ route.Guard  = (*Guard)(nil)
	_ route.Waiter = (*Guard)(nil)
)

// Waits implements route.Waiter.
func (g *Guard) Waits() bool { return len(g.stages) > 0 }

// Admit implements route.Guard. A request that one limit refuses counts for no
// other: else who is far beyond a limit of its own would use up those that it
// shares with all.
func (g *Guard) Admit(ctx context.Context, q *route.Question) *route.Failure {
	var t taken
	now := g.set.now()
	f := g.count(q, &t, now)
	for i := 0; f == nil && i < len(g.stages); i++ {
		f = g.set.ask(ctx, q, g.stages[i])
	}
	if f != nil {
		t.giveBack()
	}
	return f
}

// taken are the tokens that a request has taken.
type taken struct {
	n    int
	from [config.MaxLimits]counted
}

// counted is where a request was counted.
type counted struct {
	limit *Limit
	entry *entry
}

func (t *taken) add(c counted) { t.from[t.n], t.n = c, t.n+1 }

func (t *taken) giveBack() {
	for _, c := range t.from[:t.n] {
		c.entry.giveBack(&c.limit.rate, c.limit.hits)
	}
}

// count takes a token for q of each limit's bucket; it fails at the first that
// has none.
func (g *Guard) count(q *route.Question, t *taken, now int64) *route.Failure {
	var tell tightest
	for _, l := range g.local {
		e := l.entry((*request)(q), now)
		if e == nil {
			continue
		}
		l.enabled.Add(1)
		at := counted{l, e}
		if e.take(&l.rate, now, l.hits) {
			l.ok.Add(1)
			t.add(at)
			tell.see(at, now)
			continue
		}
		if l.refuse(e, now) {
			tell.is(at)
			tell.add(q, now)
			return l.over
		}
	}
	tell.add(q, now)
	return nil
}

// refuse notes that a request of e is too many; false where that is only noted.
func (l *Limit) refuse(e *entry, now int64) bool {
	l.limited.Add(1)
	l.telling.refused(e, now)
	if !l.enforce {
		return false
	}
	l.enforced.Add(1)
	return true
}

// tightest is the limit that the client is told of: the one that refuses, or
// that has the least left.
type tightest struct {
	counted
	left int64
}

func (t *tightest) see(c counted, now int64) {
	if !c.limit.config.Headers {
		return
	}
	if left := c.entry.left(&c.limit.rate, now); t.limit == nil || left < t.left {
		t.counted, t.left = c, left
	}
}

func (t *tightest) is(c counted) {
	if c.limit.config.Headers {
		t.counted = c
	}
}

// Names of the fields that tell of a limit (draft-polli-ratelimit-headers-03,
// with the prefix that Envoy gives them); nobody writes to them.
var (
	limitName     = []byte("x-ratelimit-limit")
	remainingName = []byte("x-ratelimit-remaining")
	resetName     = []byte("x-ratelimit-reset")
)

// add has the answer to q tell of the limit: what it is, what is left, and in
// how many seconds there is a token again, 0 when there is one.
func (t *tightest) add(q *route.Question, now int64) {
	if t.limit == nil {
		return
	}
	r := &t.limit.rate
	tellLimit(q, strconv.AppendInt(nil, r.capacity, 10), t.entry.left(r, now), t.entry.wait(r, now, t.limit.hits))
}

func tellLimit(q *route.Question, limit []byte, left int64, reset time.Duration) {
	q.Answer = append(q.Answer,
		http1.Field{Name: limitName, Value: limit},
		http1.Field{Name: remainingName, Value: strconv.AppendInt(nil, left, 10)},
		http1.Field{Name: resetName, Value: strconv.AppendInt(nil, int64((reset+time.Second-1)/time.Second), 10)})
}

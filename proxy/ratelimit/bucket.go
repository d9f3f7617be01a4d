package ratelimit

import (
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/internal/config"
)

// rate is how many tokens a bucket holds and how fast it fills.
type rate struct {
	capacity int64
	token    int64 // how long one takes to come, in ticks
	full     int64 // how long all of them take, in ticks
}

// A tick is a sixteenth of a nanosecond, so that a token that takes 333 1/3 ms
// is rounded by less than a billionth. 18 years of them fit into an int64.
const ticksBits = 4

// newRate is the rate of a configured bucket, which must have been checked. A
// token's time is rounded down: a limit of 3 a second lets 3 go on, not 2.
func newRate(b *config.TokenBucket) rate {
	token := max(1, int64(b.Interval)<<ticksBits/int64(b.Fill))
	return rate{capacity: int64(b.Max), token: token, full: int64(b.Max) * token}
}

// ticks is a time in ticks. Times are those of a clock that begins with the
// process and is never set back, in ns.
func ticks(now int64) int64 { return now << ticksBits }

// bucket is a token bucket in one number: the time when it was empty, or would
// have been, in ticks. Since then it has filled, to its capacity and no more.
// Whoever takes tokens moves that time on. It needs no lock, and no goroutine
// to fill it.
type bucket struct{ empty atomic.Int64 }

// reset makes the bucket full at now.
func (b *bucket) reset(r *rate, now int64) { b.empty.Store(ticks(now) - r.full) }

// since is when the bucket was empty, as far as that matters at t: it is never
// fuller than full.
func (r *rate) since(empty, t int64) int64 { return max(empty, t-r.full) }

// take takes n tokens at now, in ns, if so many are there.
func (b *bucket) take(r *rate, now, n int64) bool {
	t, cost := ticks(now), n*r.token
	for {
		old := b.empty.Load()
		next := r.since(old, t) + cost
		if next > t {
			return false
		}
		if b.empty.CompareAndSwap(old, next) {
			return true
		}
	}
}

// giveBack returns n tokens that take gave.
func (b *bucket) giveBack(r *rate, n int64) { b.empty.Add(-n * r.token) }

// left is how many whole tokens are there at now.
func (b *bucket) left(r *rate, now int64) int64 {
	t := ticks(now)
	return max(0, t-r.since(b.empty.Load(), t)) / r.token
}

// wait is how long it takes at now until n tokens are there.
func (b *bucket) wait(r *rate, now, n int64) time.Duration {
	t := ticks(now)
	missing := r.since(b.empty.Load(), t) + n*r.token - t
	return time.Duration((max(0, missing) + 1<<ticksBits - 1) >> ticksBits)
}

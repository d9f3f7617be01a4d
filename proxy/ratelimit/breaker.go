package ratelimit

import "sync"

// breaker keeps requests from waiting for a service that does not answer: after
// so many failures in a row only one request tries, every now and then, and
// the others do without.
type breaker struct {
	mu       sync.Mutex
	failures int   // in a row
	until    int64 // when the next try may be made; ns
	pause    int64 // until then, from the last failure
	trying   bool
}

// The numbers of the breaker: pauses double from the first to the longest.
const (
	tripAfter    = 5
	firstPause   = int64(1e9)
	longestPause = int64(10e9)
)

// allows reports whether a request may ask at now. Who may tells what came of it.
func (b *breaker) allows(now int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < tripAfter {
		return true
	}
	if now < b.until || b.trying {
		return false
	}
	b.trying = true
	return true
}

// succeeded closes the breaker, and reports whether it was open.
func (b *breaker) succeeded() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.failures >= tripAfter
	b.failures, b.pause, b.trying = 0, 0, false
	return was
}

// failed counts a failure at now, and gives how many there were in a row: the
// breaker opens at tripAfter, and is open beyond. Those that were asked before
// it opened prolong nothing, and give 0.
func (b *breaker) failed(now int64) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures >= tripAfter && !b.trying {
		return 0
	}
	if b.failures++; b.failures >= tripAfter {
		b.pause = min(max(2*b.pause, firstPause), longestPause)
		b.until, b.trying = now+b.pause, false
	}
	return b.failures
}

// gaveUp is for a request that did not wait for what comes of it.
func (b *breaker) gaveUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
}

// open reports whether the service counts as away.
func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= tripAfter
}

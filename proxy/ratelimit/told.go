package ratelimit

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// refusals are those of one key. A key that is refused is told when that begins
// and, with their number, when it has ended: not each time.
type refusals struct {
	told  atomic.Bool  // or was to be, and there were too many
	count atomic.Int64 // that were not told
	last  atomic.Int64 // when, ns
}

// quiet is how long nothing must be refused for that to have ended: some
// tokens' time, within bounds.
const (
	minQuiet = 10 * time.Second
	maxQuiet = 5 * time.Minute
)

func quietFor(r *rate) int64 {
	return int64(min(max(time.Duration(2*r.token>>ticksBits), minQuiet), maxQuiet))
}

// maxTold bounds how many keys of one limit are told at once. There may be as
// many as clients.
const maxTold = 100

// telling is what a limit tells of the keys that it refuses.
type telling struct {
	limit *Limit
	quiet int64 // ns

	mu     sync.Mutex // guards what follows
	keys   []*entry   // that are refused now, and were told
	untold atomic.Uint64
}

// refused notes that a request of e's key was refused at now, or would have
// been.
func (t *telling) refused(e *entry, now int64) {
	before := e.last.Swap(now)
	e.count.Add(1)
	if e.told.Load() && now-before <= t.quiet {
		return
	}
	if t.begin(e) {
		t.limit.tell(event.Warn, e, event.PhaseBegin, 0, fmt.Sprintf("rate limit %q %s requests of %s", t.limit.name, t.verb(), e.name()))
	}
}

// begin puts e among those that were told; false when it is already, or there
// are too many.
func (t *telling) begin(e *entry) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.keys {
		if k == e {
			return false
		}
	}
	e.told.Store(true)
	if len(t.keys) >= maxTold {
		t.untold.Add(1)
		return false
	}
	t.keys = append(t.keys, e)
	return true
}

// sweep tells which keys are refused no more at now; all of them when the
// limit ends.
func (t *telling) sweep(now int64, all bool) {
	for _, e := range t.over(now, all) {
		n := e.count.Swap(0)
		t.limit.tell(event.Info, e, event.PhaseEnd, n, fmt.Sprintf("rate limit %q %s requests of %s no more, after %d", t.limit.name, t.verb(), e.name(), n))
	}
}

func (t *telling) over(now int64, all bool) (over []*entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.keys[:0]
	for _, e := range t.keys {
		if all || now-e.last.Load() > t.quiet {
			e.told.Store(false)
			over = append(over, e)
		} else {
			kept = append(kept, e)
		}
	}
	clear(t.keys[len(kept):])
	t.keys = kept
	return over
}

func (t *telling) verb() string {
	if t.limit.enforce {
		return "refuses"
	}
	return "would refuse"
}

// name says whose requests e counts.
func (e *entry) name() string {
	if e.key == "" {
		return "all clients"
	}
	return shown(e.key)
}

// shown is a key for people to read.
func shown(key string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(key, string(rune(separator)), ", "), "?")
}

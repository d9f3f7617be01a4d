// Package episode notices when something begins that happens again and again,
// such as a limit that refuses, and when it has ended.
package episode

import (
	"sync"
	"sync/atomic"
	"time"
)

// DefaultQuiet is how long nothing must happen for an episode to have ended.
const DefaultQuiet = 5 * time.Second

// Told is what is known of an episode that has ended.
type Told struct {
	Began, Ended time.Time
	Count        uint64 // how often it happened
}

// Episode tells the beginning of something that happens again and again, and
// its end with the number of times: not each time. Begin and End are called one
// at a time and in this order; they do not wait. The zero value tells nobody.
type Episode struct {
	Begin func(now time.Time) // when it happens for the first time; may be nil
	End   func(Told)          // when it has not happened for Quiet; may be nil
	Quiet time.Duration       // DefaultQuiet where it is 0

	count atomic.Uint64 // since it began
	on    atomic.Bool

	mu     sync.Mutex // guards what follows
	timer  *time.Timer
	began  time.Time
	last   time.Time // when seen had changed
	seen   uint64
	closed bool
}

// Hit notes that it happens now. It may be called from many goroutines, and does
// not wait.
func (e *Episode) Hit() {
	e.count.Add(1)
	if !e.on.Load() {
		e.begin()
	}
}

// On reports whether an episode is under way.
func (e *Episode) On() bool { return e.on.Load() }

func (e *Episode) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.on.Swap(true) {
		return
	}
	e.began, e.seen = time.Now(), 0
	e.last = e.began
	if e.timer == nil {
		e.timer = time.AfterFunc(e.quiet(), e.look)
	} else {
		e.timer.Reset(e.quiet())
	}
	if e.Begin != nil {
		e.Begin(e.began)
	}
}

func (e *Episode) quiet() time.Duration {
	if e.Quiet > 0 {
		return e.Quiet
	}
	return DefaultQuiet
}

// look ends the episode when nothing has happened since the last look.
func (e *Episode) look() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := e.count.Load(); n != e.seen && !e.closed {
		e.seen, e.last = n, time.Now()
		e.timer.Reset(e.quiet())
		return
	}
	e.over()
}

// over tells the end, if there is one to tell. The caller has the lock.
func (e *Episode) over() {
	was := e.on.Swap(false)
	if n := e.count.Swap(0); was && e.End != nil {
		e.End(Told{Began: e.began, Ended: e.last, Count: n})
	}
}

// Close ends the episode, if one is under way; none begins after it.
func (e *Episode) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	if e.timer != nil {
		e.timer.Stop()
	}
	e.over()
}

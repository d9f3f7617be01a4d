package hop

import (
	"sync"
	"sync/atomic"
	"time"
)

// Ticker has what is under way looked over every now and then, so that timeouts
// need no timer each: deadlines of the runtime cost one each time they move,
// several times a request. They are late by at most a tick. It has a goroutine of
// its own while it has users.
type Ticker struct {
	look  func(now int64)
	tick  time.Duration
	clock atomic.Int64 // of the last look, ns since the Unix epoch

	mu    sync.Mutex // guards what follows
	users int
	stop  chan struct{}
	done  chan struct{}
}

// Init has look called, with now in ns since the Unix epoch, after each quarter
// of the shortest of timeouts that is positive, within 5 and 250 ms.
func (t *Ticker) Init(look func(now int64), timeouts ...time.Duration) {
	t.look, t.tick = look, time.Second
	for _, d := range timeouts {
		if d > 0 {
			t.tick = min(t.tick, d)
		}
	}
	t.tick = max(t.tick/4, 5*time.Millisecond)
}

// Tick is the time between two looks.
func (t *Ticker) Tick() time.Duration { return t.tick }

// Clock is the time of the last look, for what need not be exact.
func (t *Ticker) Clock() int64 { return t.clock.Load() }

// Join says that there is one more user, a connection mostly; the first starts
// the ticker.
func (t *Ticker) Join() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.users++; t.users == 1 {
		t.stop, t.done = make(chan struct{}), make(chan struct{})
		t.clock.Store(time.Now().UnixNano())
		go t.run(t.stop, t.done)
	}
}

// Leave is Join's counterpart; the last one waits for the ticker's end.
func (t *Ticker) Leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.users--; t.users == 0 {
		close(t.stop)
		<-t.done
	}
}

func (t *Ticker) run(stop, done chan struct{}) {
	defer close(done)
	tick := time.NewTicker(t.tick)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			now := time.Now().UnixNano()
			t.clock.Store(now)
			t.look(now)
		}
	}
}

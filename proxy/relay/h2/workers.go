package h2

import (
	"sync"
	"time"
)

// workers are goroutines that carry exchanges out, one after the other. A new
// one for each would have to grow its stack each time.
type workers struct {
	most int           // that wait for work
	old  time.Duration // for which one waits at most, as long as others come and go

	mu   sync.Mutex
	idle []*worker // those that waited least last
}

// worker is one of them.
type worker struct {
	work  chan *request
	since int64 // when it began to wait
}

// Bounds of the waiting: enough for a burst, and few after it.
const (
	idleWorkers = 1024
	workersOld  = 10 * time.Second
)

// carry has r carried out.
func (p *workers) carry(r *request) {
	p.mu.Lock()
	if n := len(p.idle) - 1; n >= 0 {
		w := p.idle[n]
		p.idle[n], p.idle = nil, p.idle[:n]
		p.mu.Unlock()
		w.work <- r
		return
	}
	p.mu.Unlock()
	go p.run(&worker{work: make(chan *request, 1)}, r)
}

func (p *workers) run(w *worker, r *request) {
	for r != nil {
		c, now := r.run()
		more := p.wait(w, now)
		c.exchanges.Done() // the last that is done for a connection: its end dismisses who waits
		if !more {
			return
		}
		r = <-w.work
	}
}

// wait puts w among those that wait, and lets one go that has waited for long.
// It reports false where there are enough of them.
func (p *workers) wait(w *worker, now int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) >= p.most {
		return false
	}
	w.since = now
	p.idle = append(p.idle, w)
	if oldest := p.idle[0]; now-oldest.since > int64(p.old) {
		p.idle = append(p.idle[:0], p.idle[1:]...)
		oldest.work <- nil
	}
	return true
}

// dismiss lets all go that wait.
func (p *workers) dismiss() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, w := range p.idle {
		w.work <- nil
		p.idle[i] = nil
	}
	p.idle = p.idle[:0]
}

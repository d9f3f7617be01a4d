package store

import (
	"net/http"
	"sync"
	"time"
)

// LeasePath is a request that lasts as long as its sender uses the store. A store opened WhileLeased ends when the last one has gone, however
// its sender ended: a killed process closes its connections too.
const LeasePath = "/pitot/lease"

// MarkHeader names the data folder in every answer, so that a client can tell a pitot store from another ClickHouse.
const MarkHeader = "X-Pitot-Store"

// leases counts the users of a store.
type leases struct {
	mu     sync.Mutex
	n      int
	ends   bool // with the last user
	grace  *time.Timer
	unused chan struct{}
	once   sync.Once
}

// start begins counting; with ends the first lease must come within grace.
func (l *leases) start(ends bool, grace time.Duration) {
	l.unused = make(chan struct{})
	l.ends = ends
	if ends {
		l.grace = time.AfterFunc(grace, func() { l.add(0) })
	}
}

func (l *leases) stop() {
	if l.grace != nil {
		l.grace.Stop()
	}
}

// add changes the count and closes unused when nobody is left.
func (l *leases) add(d int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n += d
	if l.ends && l.n == 0 {
		l.once.Do(func() { close(l.unused) })
	}
	return l.n
}

// count is the number of leases held.
func (l *leases) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

// hold answers a lease request: it says so at once and lasts until the sender goes or closing ends it.
func (l *leases) hold(w http.ResponseWriter, r *http.Request, closing <-chan struct{}) {
	if l.grace != nil {
		l.grace.Stop()
	}
	l.add(1)
	defer l.add(-1)
	w.WriteHeader(http.StatusOK)
	if err := http.NewResponseController(w).Flush(); err != nil {
		return
	}
	select {
	case <-r.Context().Done():
	case <-closing:
	}
}

package upstream

import (
	"sync"
	"time"
)

// SetWeight changes h's share of exchanges among its like, until another one
// is told of it, whatever its load. 0 stands for 1.
func (h *Host) SetWeight(n uint32) {
	h.fixed.Store(true)
	if n = max(1, n); h.weight.Swap(n) != n {
		h.cluster.rebuild()
	}
}

// ejection is one that an operator decided, beside those of detectors.
type ejection struct {
	mu     sync.Mutex
	timer  *time.Timer // ends it; nil where there is none
	number int         // of it, among the host's
	others bool        // somebody else's goes on when it ends
}

// Eject takes h out for so long, as an operator wants it, whoever would have it
// back before.
func (h *Host) Eject(d time.Duration) {
	e := &h.ejection
	e.mu.Lock()
	defer e.mu.Unlock()
	first := e.timer == nil
	if !first {
		e.timer.Stop()
	}
	e.number++
	n := e.number
	e.timer = time.AfterFunc(d, func() { h.endEjection(n) })
	if !h.Mark(Ejected, true) && first {
		e.others = true
	}
}

// endEjection ends an operator's ejection whose time is over, unless there is
// none any more, or another one.
func (h *Host) endEjection(number int) {
	e := &h.ejection
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.timer == nil || e.number != number {
		return
	}
	if e.timer = nil; !e.others {
		h.Mark(Ejected, false)
	}
	e.others = false
}

// Readmit ends an ejection that no operator decided; one of an operator goes on.
func (h *Host) Readmit() {
	e := &h.ejection
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.others = false; e.timer == nil {
		h.Mark(Ejected, false)
	}
}

// Return ends an ejection, whoever decided it. It reports whether there was one.
func (h *Host) Return() bool {
	e := &h.ejection
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.timer != nil {
		e.timer.Stop()
	}
	e.timer, e.others = nil, false
	return h.Mark(Ejected, false)
}

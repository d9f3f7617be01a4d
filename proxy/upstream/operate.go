package upstream

import "time"

// SetWeight changes h's share of exchanges among its like, until another one
// is told of it, whatever its load. 0 stands for 1.
func (h *Host) SetWeight(n uint32) {
	h.fixed.Store(true)
	if n = max(1, n); h.weight.Swap(n) != n {
		h.cluster.rebuild()
	}
}

// Eject takes h out for so long, as an operator wants it.
func (h *Host) Eject(d time.Duration) {
	h.Mark(Ejected, true)
	t := time.AfterFunc(d, func() { h.Mark(Ejected, false) })
	if old := h.ejection.Swap(t); old != nil {
		old.Stop()
	}
}

// Return ends an ejection, whoever decided it. It reports whether there was one.
func (h *Host) Return() bool {
	if t := h.ejection.Swap(nil); t != nil {
		t.Stop()
	}
	return h.Mark(Ejected, false)
}

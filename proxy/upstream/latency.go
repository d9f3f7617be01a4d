package upstream

import (
	"sync/atomic"

	"github.com/pitot-io/pitot/internal/histogram"
)

// latency is how long attempts took lately. Hosts that nobody asks anything have
// no memory for it.
type latency struct {
	p atomic.Pointer[histogram.Recent]
}

func (l *latency) get() *histogram.Recent {
	if r := l.p.Load(); r != nil {
		return r
	}
	l.p.CompareAndSwap(nil, new(histogram.Recent))
	return l.p.Load()
}

// Latency counts the attempts at h that were answered in the last 30 to 60 s
// before now, ns since the Unix epoch, by how long they took; n is how many.
func (h *Host) Latency(now int64) (c histogram.Counts, n uint64) {
	if r := h.latency.p.Load(); r != nil {
		return r.Counts(now)
	}
	return c, 0
}

package fault

import (
	"sync/atomic"

	"github.com/pitot-io/pitot/proxy/upstream"
)

// Stats count the faults of a listener.
type Stats struct {
	Delays       upstream.Counter
	Aborts       upstream.Counter
	RequestRate  upstream.Counter
	ResponseRate upstream.Counter
	Cuts         upstream.Counter
	Overflow     upstream.Counter // requests that were spared as max_active were under way
	Active       atomic.Int64     // requests that are delayed or slowed down
}

// All are the numbers, always in the same order, under Envoy's names where it
// has them.
func (s *Stats) All() []upstream.Stat {
	return []upstream.Stat{
		{Name: "faults.delays_injected", Value: s.Delays.Load()},
		{Name: "faults.aborts_injected", Value: s.Aborts.Load()},
		{Name: "faults.request_rl_injected", Value: s.RequestRate.Load()},
		{Name: "faults.response_rl_injected", Value: s.ResponseRate.Load()},
		{Name: "faults.cuts_injected", Value: s.Cuts.Load()},
		{Name: "faults.overflow", Value: s.Overflow.Load()},
		{Name: "faults.active", Value: uint64(max(0, s.Active.Load())), Gauge: true},
	}
}

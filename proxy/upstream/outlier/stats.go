package outlier

import (
	"sync/atomic"

	"github.com/pitot-io/pitot/proxy/upstream"
)

// stats count what detectors found and what became of it.
type stats struct {
	active        atomic.Int64 // hosts that are ejected
	overflow      upstream.Counter
	enforcedTotal upstream.Counter
	enforced      [numTypes]upstream.Counter
	detected      [numTypes]upstream.Counter
}

// Stats are the numbers under Envoy's names, always in the same order.
func (d *Detector) Stats() []upstream.Stat {
	const scope = "outlier_detection.ejections_"
	s := &d.stats
	all := []upstream.Stat{
		{Name: scope + "active", Value: uint64(max(0, s.active.Load())), Gauge: true},
		{Name: scope + "overflow", Value: s.overflow.Load()},
		{Name: scope + "enforced_total", Value: s.enforcedTotal.Load()},
	}
	for t := range numTypes {
		all = append(all, upstream.Stat{Name: scope + "enforced_" + t.String(), Value: s.enforced[t].Load()})
		all = append(all, upstream.Stat{Name: scope + "detected_" + t.String(), Value: s.detected[t].Load()})
	}
	return all
}

// HostStats are what is known of h: how often it was ejected, and the share of
// its requests that succeeded in the interval before, in per cent.
func (d *Detector) HostStats(h *upstream.Host) []upstream.Stat {
	m, ok := d.hosts.Load(h)
	if !ok {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	all := []upstream.Stat{{Name: "outlier_detection.ejections", Value: uint64(m.(*monitor).times)}}
	if r := &m.(*monitor).rated[external]; r.seen > 0 {
		all = append(all, upstream.Stat{Name: "outlier_detection.success_rate_percent", Value: uint64(r.percent), Gauge: true})
	}
	return all
}
